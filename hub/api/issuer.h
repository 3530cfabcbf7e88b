/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hub's issuer: an https URL, perhaps with a path, from which all URLs of ours are made
 * (SSF 1.0 section 7.2, RFC 8414 section 3.1, RFC 9728 section 3.1). What is asked of it may have
 * the path in front, or, for what is well known, behind.
 */
#pragma once

#include <stdbool.h>

#include "lib/ssf/attr.h"
#include "lib/ssf/buf.h"
#include "lib/ssf/err.h"

struct issuer {
	char *url;     /* as it stands in SETs, byte for byte */
	size_t origin; /* bytes of scheme, host and port */
	size_t end;    /* bytes without slashes at the end */
};

/*
 * http: plain http is taken as well. SSF_E_MALFORMED: another scheme, no host, a query, a fragment, user
 * information, blanks or control characters, escapes or empty parts in the path, a path that begins as
 * one of ours ("/v1"), more than 512 bytes.
 */
ssf_nodiscard int issuer_parse(const char *url, bool http, struct issuer *out, struct ssf_err *err);
void issuer_done(struct issuer *i); /* no-op on zeroed memory */

/* The URL of a path of ours ("/ssf/streams"); NULL when out of memory, the caller frees it. */
char *issuer_url(const struct issuer *i, const char *path);
/* Of what is well known: "/.well-known/NAME" stands before the issuer's path. */
char *issuer_well_known(const struct issuer *i, const char *name);

/*
 * Appends the path as routes have it, without the issuer's. False: it is of another issuer, or no
 * memory.
 */
bool issuer_strip(const struct issuer *i, const char *path, struct ssf_buf *out);
