/* SPDX-License-Identifier: Apache-2.0 */
/* Verifies HMACs. It never says which secret fitted, nor how far a wrong one did. */
#include "transmitters/hmac.h"

#include <openssl/evp.h>
#include <string.h>

static int hmac_sha256(struct ssf_str key, struct ssf_str body, uint8_t out[SSF_SHA256_LEN])
{
	const void *bytes = body.len > 0 ? body.ptr : "";
	size_t len = 0;

	if (EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, key.ptr, key.len, bytes, body.len, out,
		      SSF_SHA256_LEN, &len) == NULL)
		return -1;
	return len == SSF_SHA256_LEN ? 0 : -1;
}

int hmac_verify(const struct hmac_scheme *scheme, const struct adapter_request *r,
		const struct adapter_credentials *c, struct ssf_err *err)
{
	struct ssf_str signature = adapter_header(r, scheme->header);
	size_t prefix = strlen(scheme->prefix);
	uint8_t given[SSF_SHA256_LEN], expected[SSF_SHA256_LEN];
	bool fits = false;

	if (!ssf_str_has_prefix(signature, scheme->prefix) ||
	    ssf_unhex((struct ssf_str){ signature.ptr + prefix, signature.len - prefix }, given,
		      sizeof(given)) < 0)
		return ssf_fail(err, SSF_E_UNAUTHENTICATED, "%s: missing or malformed",
				scheme->header);
	for (size_t i = 0; i < c->secret_count; i++) {
		if (c->secrets[i].value.len == 0) /* a key that everybody knows */
			continue;
		if (hmac_sha256(c->secrets[i].value, r->body, expected) < 0)
			return ssf_fail(err, SSF_E_INTERNAL, "HMAC-SHA256 failed");
		fits |= ssf_str_eq_secret((struct ssf_str){ (const char *)given, sizeof(given) },
					  (struct ssf_str){ (const char *)expected,
							    sizeof(expected) });
	}
	if (!fits)
		return ssf_fail(err, SSF_E_UNAUTHENTICATED, "%s: no secret fits", scheme->header);
	return 0;
}
