/* SPDX-License-Identifier: Apache-2.0 */
/* Who is calling, by bearer token (RFC 6750). Tokens are compared as SHA-256 only. */
#pragma once

#include "hub/registry/registry.h"
#include "lib/ssf/buf.h"

struct caller {
	bool admin;
	const char *client; /* id, borrowed from the registry; NULL if admin */
};

/*
 * authorization: the header's value. SSF_E_UNAUTHENTICATED when it is missing, not a bearer
 * token, or unknown: one answer for all, which tells nothing.
 */
ssf_nodiscard int auth_bearer(struct ssf_str authorization, const uint8_t admin[SSF_SHA256_LEN],
			      const struct registry *registry, struct caller *out,
			      struct ssf_err *err);
