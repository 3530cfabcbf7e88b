/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Templates that make Redis keys out of a SET: "sess:${sub}". What may stand
 * between the braces:
 *
 *   sub, user.sub      a member of sub_id, inner ones of complex subjects by dots
 *   sub_id.jti         the same, for members whose name is taken below
 *   iat, jti           claims of the SET
 *   event.reason       a member of the event
 *   event_timestamp    the event's event_timestamp, in seconds also if it came in milliseconds
 *   a|b                a, or b when a is not there
 *
 * A value is an integer or a string that is not empty. A dollar sign not followed
 * by a brace stands for itself. No I/O, no logging.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "lib/ssf/attr.h"
#include "lib/ssf/buf.h"
#include "lib/ssf/err.h"

#define TEMPLATE_MAX 1024      /* bytes of a template's text */
#define TEMPLATE_VALUE_MAX 512 /* bytes of one value put into it */
#define TEMPLATE_NAMES_MAX 16
#define TEMPLATE_FILLED_MAX (TEMPLATE_MAX + TEMPLATE_NAMES_MAX * 2 * TEMPLATE_VALUE_MAX)

struct template;

ssf_nodiscard int template_parse(struct ssf_str text, struct template **out, struct ssf_err *err);
void template_free(struct template *t);
SSF_DEFINE_AUTO(template)

/* Where values come from; all borrowed. */
struct template_values {
	const json_t *sub_id;
	const json_t *event;
	const char *jti;
	int64_t iat;
};

enum template_use {
	TEMPLATE_PLAIN,
	TEMPLATE_GLOB, /* values are escaped: in a Redis pattern they match only themselves */
};

/*
 * Appends to out. SSF_E_NOT_FOUND: a name has no value, SSF_E_MALFORMED: it has one of
 * the wrong type, SSF_E_LIMIT: above TEMPLATE_VALUE_MAX. The text of err is about the name.
 */
ssf_nodiscard int template_fill(const struct template *t, const struct template_values *values,
				enum template_use use, struct ssf_buf *out, struct ssf_err *err);
