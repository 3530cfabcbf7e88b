/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors as values. A function that can fail returns 0 or -1 and fills a
 * struct ssf_err on its caller's stack. Codes say what the caller can do about
 * it; the text names the field at fault and never quotes its value, because
 * values may be secrets. Nothing in lib/ssf logs: an error is logged once,
 * where it stops travelling.
 */
#pragma once

#include <stddef.h>

enum ssf_code {
	SSF_OK = 0,
	SSF_E_MALFORMED,   /* the bytes do not parse, or break the format's rules */
	SSF_E_SIGNATURE,   /* the signature does not verify */
	SSF_E_KEY,         /* no usable key: unknown kid, wrong type, refused alg */
	SSF_E_ISSUER,      /* issuer unknown or not the expected one */
	SSF_E_AUDIENCE,    /* not addressed to us */
	SSF_E_UNAUTHENTICATED, /* no or bad credentials */
	SSF_E_DENIED,      /* authenticated, not allowed */
	SSF_E_SCOPE,       /* authenticated, but the token does not cover this */
	SSF_E_NOT_FOUND,
	SSF_E_METHOD,      /* HTTP method not allowed here */
	SSF_E_CONFLICT,    /* exists already, or changed meanwhile */
	SSF_E_GONE,        /* was there, and is not any more */
	SSF_E_PRECONDITION, /* not the version that the caller asked for (RFC 9110 section 13) */
	SSF_E_LIMIT,       /* larger than a published limit */
	SSF_E_RATE,        /* too many requests of one caller */
	SSF_E_BUSY,        /* a bounded queue is full: try again later */
	SSF_E_UNAVAILABLE, /* something that we depend on is away: try again later */
	SSF_E_TIMEOUT,     /* a deadline passed */
	SSF_E_NOMEM,
	SSF_E_INTERNAL,
};

struct ssf_err {
	enum ssf_code code;
	char msg[256];
	const char *file;
	int line;
};

/* How one code shows outside: a name for logs, an HTTP status, an RFC 8935 section 2.4 error. */
struct ssf_code_info {
	const char *name;
	int http_status;
	const char *set_err;
};

#define ssf_nodiscard __attribute__((warn_unused_result))

/* Fills err (may be NULL) and returns -1, so that a caller can return it. */
#define ssf_fail(err, code, ...) ssf_fail_at((err), (code), __FILE__, __LINE__, __VA_ARGS__)
int ssf_fail_at(struct ssf_err *err, enum ssf_code code, const char *file, int line,
		const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* Puts "prefix: " before the text of err; returns -1. */
int ssf_fail_prefix(struct ssf_err *err, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Never NULL; unknown codes count as SSF_E_INTERNAL. */
const struct ssf_code_info *ssf_code_info(enum ssf_code code);
