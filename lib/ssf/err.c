/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Error values: filling them, and the one table of how a code shows outside.
 * Never logs and never allocates.
 */
#include "lib/ssf/err.h"

#include "lib/ssf/str.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* RFC 8935 has no code for "my own trouble": those answers carry an HTTP status only. */
static const struct ssf_code_info infos[] = {
	[SSF_OK] = { "ok", 200, NULL },
	[SSF_E_MALFORMED] = { "malformed", 400, "invalid_request" },
	[SSF_E_SIGNATURE] = { "signature", 400, "invalid_key" },
	[SSF_E_KEY] = { "key", 400, "invalid_key" },
	[SSF_E_ISSUER] = { "issuer", 400, "invalid_issuer" },
	[SSF_E_AUDIENCE] = { "audience", 400, "invalid_audience" },
	[SSF_E_UNAUTHENTICATED] = { "unauthenticated", 401, "authentication_failed" },
	[SSF_E_DENIED] = { "denied", 403, "access_denied" },
	[SSF_E_SCOPE] = { "insufficient_scope", 403, NULL },
	[SSF_E_NOT_FOUND] = { "not_found", 404, NULL },
	[SSF_E_METHOD] = { "method", 405, NULL },
	[SSF_E_CONFLICT] = { "conflict", 409, NULL },
	[SSF_E_GONE] = { "gone", 410, NULL },
	[SSF_E_PRECONDITION] = { "precondition_failed", 412, NULL },
	[SSF_E_LIMIT] = { "limit", 413, "invalid_request" },
	[SSF_E_RATE] = { "too_many_requests", 429, NULL },
	[SSF_E_BUSY] = { "busy", 503, NULL },
	[SSF_E_UNAVAILABLE] = { "unavailable", 503, NULL },
	[SSF_E_TIMEOUT] = { "timeout", 503, NULL },
	[SSF_E_NOMEM] = { "nomem", 503, NULL },
	[SSF_E_INTERNAL] = { "internal", 500, NULL },
};

/*
 * Names of members come from outside and are cut to size, and error texts go
 * into JSON: what is not a whole UTF-8 character becomes a question mark.
 */
static void repair_utf8(char *msg)
{
	struct ssf_str rest = ssf_str_c(msg);

	for (size_t good = ssf_utf8_prefix(rest); good < rest.len; good = ssf_utf8_prefix(rest)) {
		msg += good;
		*msg++ = '?';
		rest = (struct ssf_str){ msg, rest.len - good - 1 };
	}
}

int ssf_fail_at(struct ssf_err *err, enum ssf_code code, const char *file, int line,
		const char *fmt, ...)
{
	va_list args;

	if (err == NULL)
		return -1;
	err->code = code;
	err->file = file;
	err->line = line;
	va_start(args, fmt);
	if (vsnprintf(err->msg, sizeof(err->msg), fmt, args) < 0)
		err->msg[0] = '\0';
	va_end(args);
	repair_utf8(err->msg);
	return -1;
}

int ssf_fail_prefix(struct ssf_err *err, const char *fmt, ...)
{
	char text[sizeof(err->msg)];
	va_list args;

	if (err == NULL)
		return -1;
	va_start(args, fmt);
	if (vsnprintf(text, sizeof(text), fmt, args) < 0)
		text[0] = '\0';
	va_end(args);
	size_t used = strlen(text);
	if (snprintf(text + used, sizeof(text) - used, ": %s", err->msg) < 0)
		return -1;
	memcpy(err->msg, text, strlen(text) + 1);
	repair_utf8(err->msg);
	return -1;
}

const struct ssf_code_info *ssf_code_info(enum ssf_code code)
{
	if ((size_t)code >= sizeof(infos) / sizeof(infos[0]))
		code = SSF_E_INTERNAL;
	return &infos[code];
}
