/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Authentication by a shared secret: a header carries the HMAC of the raw body. What differs from
 * vendor to vendor is data.
 */
#pragma once

#include "transmitters/adapter.h"

struct hmac_scheme {
	const char *header; /* "X-Hub-Signature-256" */
	const char *prefix; /* in front of the digits: "sha256=", or "" */
};

/*
 * HMAC-SHA256 over the body, in hex. Passes if any secret that the credentials hold fits (two
 * during a rotation); an empty secret never does. Compares in constant time.
 * SSF_E_UNAUTHENTICATED.
 */
ssf_nodiscard int hmac_verify(const struct hmac_scheme *scheme, const struct adapter_request *r,
			      const struct adapter_credentials *c, struct ssf_err *err);
