/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hub's issuer: an https URL, possibly with a path, from which all URLs of the hub are made (SSF 1.0
 * section 7.2, RFC 8414 section 3.1, RFC 9728 section 3.1). Requests may have its path in front of theirs,
 * or, for well-known documents, behind.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "lib/ssf/attr.h"
#include "lib/ssf/buf.h"
#include "lib/ssf/err.h"

struct issuer {
	char *url;     /* as it appears in SETs, byte for byte */
	size_t origin; /* length of scheme, host and port */
	size_t end;    /* length without trailing slashes */
};

/*
 * http: plain http is accepted too. SSF_E_MALFORMED: another scheme, no host, a query, a fragment, user
 * information, spaces or control characters, escapes or empty segments in the path, a path that begins
 * like one of the hub's own ("/v1"), more than 512 bytes.
 */
ssf_nodiscard int issuer_parse(const char *url, bool http, struct issuer *out, struct ssf_err *err);
void issuer_done(struct issuer *i); /* no-op on zeroed memory */

/* The URL of one of the hub's paths ("/ssf/streams"); NULL when out of memory, the caller frees it. */
char *issuer_url(const struct issuer *i, const char *path);
/* The same as a member of doc. -1: out of memory. */
ssf_nodiscard int issuer_put_url(json_t *doc, const char *member, const struct issuer *i,
				 const char *path);
/* The URL of a well-known document: "/.well-known/NAME" stands before the issuer's path. */
char *issuer_well_known(const struct issuer *i, const char *name);

/* Appends the path without the issuer's, as in routes.def. False: a path of another issuer, or no memory. */
bool issuer_strip(const struct issuer *i, const char *path, struct ssf_buf *out);
