/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Templates that make Redis keys from a SET: "sess:${sub}". Between the braces stands:
 *
 *   sub, user.sub      a member of sub_id, inner ones of complex subjects by dots
 *   sub_id.jti         the same, for members whose name is taken below
 *   iat, jti           claims of the SET
 *   event.reason       a member of the event
 *   event_timestamp    the event's event_timestamp, in seconds also if it came in milliseconds
 *   a|b                a, or b if a is missing
 *
 * A value is an integer or a string that is not empty. A dollar sign without a brace stands for
 * itself. No I/O, no logging.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "lib/ssf/attr.h"
#include "lib/ssf/buf.h"
#include "lib/ssf/err.h"

#define KEY_TEMPLATE_MAX 1024      /* bytes of a template's text */
#define KEY_TEMPLATE_VALUE_MAX 512 /* bytes of one value put into it */
#define KEY_TEMPLATE_NAMES_MAX 16
#define KEY_TEMPLATE_FILLED_MAX \
	(KEY_TEMPLATE_MAX + KEY_TEMPLATE_NAMES_MAX * 2 * KEY_TEMPLATE_VALUE_MAX)

struct key_template;

ssf_nodiscard int key_template_parse(struct ssf_str text, struct key_template **out,
				     struct ssf_err *err);
void key_template_free(struct key_template *t);
SSF_DEFINE_AUTO(key_template)

/* Where values come from; all borrowed. */
struct key_template_values {
	const json_t *sub_id;
	const json_t *event;
	const char *jti;
	int64_t iat;
};

enum key_template_use {
	KEY_TEMPLATE_PLAIN,
	KEY_TEMPLATE_GLOB, /* values are escaped: in a Redis pattern they match only themselves */
};

/*
 * Appends to out. SSF_E_NOT_FOUND: a name has no value, SSF_E_MALFORMED: it has one of
 * the wrong type, SSF_E_LIMIT: above KEY_TEMPLATE_VALUE_MAX. The text of err is about the name.
 */
ssf_nodiscard int key_template_fill(const struct key_template *t,
				    const struct key_template_values *values,
				    enum key_template_use use, struct ssf_buf *out,
				    struct ssf_err *err);
