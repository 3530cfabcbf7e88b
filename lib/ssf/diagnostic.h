/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is wrong with a JSON text that a person wrote, and where: an error with line, column and
 * path as fields, so that nobody has to read them out of a message.
 */
#pragma once

#include "lib/ssf/buf.h"
#include "lib/ssf/err.h"
#include "lib/ssf/json_path.h"

#define SSF_DIAGNOSTIC_PATH 160 /* bytes of a path, with the NUL; longer ones are cut */

struct ssf_diagnostic {
	/*
	 * Set by the caller: the text, as parsed. Line and column are looked up in it; may be
	 * empty.
	 */
	struct ssf_str text;
	struct ssf_err err;             /* the message says nothing of the place */
	unsigned line, column;          /* from 1, columns in bytes; 0: not known */
	char path[SSF_DIAGNOSTIC_PATH]; /* of the value at fault (RFC 6901); "" is the whole text */
};

/* Says that the value at a path is wrong; returns -1. Its line and column are found in d->text. */
#define ssf_diagnose(d, at, ...) \
	ssf_diagnose_at((d), (at), SSF_E_MALFORMED, __FILE__, __LINE__, __VA_ARGS__)
#define ssf_diagnose_limit(d, at, ...) \
	ssf_diagnose_at((d), (at), SSF_E_LIMIT, __FILE__, __LINE__, __VA_ARGS__)
/* The member of the value at a path; if there is no such member, the value itself. */
#define ssf_diagnose_member(d, at, member, ...) \
	ssf_diagnose((d), SSF_JSON_MEMBER((at), (member)), __VA_ARGS__)
/* The same with the code and text of an error of another function. */
int ssf_diagnose_err(struct ssf_diagnostic *d, const struct ssf_json_path *at,
		     const struct ssf_err *why);
int ssf_diagnose_at(struct ssf_diagnostic *d, const struct ssf_json_path *at, enum ssf_code code,
		    const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 6, 7)));

/* For callers that can only pass an error on: "LINE:COLUMN: message". Returns -1. */
int ssf_diagnostic_err(const struct ssf_diagnostic *d, struct ssf_err *err);
