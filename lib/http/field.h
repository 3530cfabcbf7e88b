/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The syntax of header fields (RFC 9110 section 5, RFC 9112 section 5), for requests and for responses. Pure.
 * Strict: what one reader could take for one field and another for two, or for none, is refused.
 */
#pragma once

#include <stdbool.h>

#include "lib/ssf/buf.h"
#include "lib/ssf/err.h"

/* A token of RFC 9110 section 5.6.2: a method, or the name of a field. */
bool http_is_token(struct ssf_str s);
/* A field's value may hold it: no control characters but tabs, and so no line breaks (section 5.5). */
bool http_is_field_value(struct ssf_str s);

/*
 * "Name: value", without the line's end: the name is a token with no space before the colon, the value comes
 * without the spaces around it. SSF_E_MALFORMED; also for a folded line, which begins with a space.
 */
ssf_nodiscard int http_field_parse(struct ssf_str line, struct ssf_str *name, struct ssf_str *value,
				   struct ssf_err *err);

/* Whether a comma-separated value contains token, in any case: "Connection: keep-alive, Upgrade". */
bool http_list_has(struct ssf_str value, const char *token);

/* 1*DIGIT, at most 18: "Content-Length" takes no sign, no space and no list. SSF_E_MALFORMED, SSF_E_LIMIT. */
ssf_nodiscard int http_content_length_parse(struct ssf_str value, size_t *out, struct ssf_err *err);

/*
 * The line before a chunk (RFC 9112 section 7.1), without its end: hexadecimal digits and nothing else before the
 * line's end or the ';' of an extension, which is skipped. Signs, "0x", spaces and NUL are refused, and so is a
 * last chunk that is not written "0": "00" ends a body for some readers only. SSF_E_MALFORMED.
 */
#define HTTP_CHUNK_LINE_MAX 64
ssf_nodiscard int http_chunk_size_parse(struct ssf_str line, size_t *out, struct ssf_err *err);
