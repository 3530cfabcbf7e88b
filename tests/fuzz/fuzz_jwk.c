/* SPDX-License-Identifier: Apache-2.0 */
/* lib/ssf/jwk: any bytes as a JWK, as a key set and as PEM. What is accepted is published again. */
#include "lib/ssf/json.h"
#include "lib/ssf/jwk.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_published(const struct ssf_key *key)
{
	ssf_auto(ssf_key) again = NULL;
	json_auto_t *jwk = ssf_key_to_jwk(key);

	if (jwk == NULL || ssf_key_from_jwk(jwk, &again, NULL) < 0 ||
	    ssf_key_alg(again) != ssf_key_alg(key))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ssf_str text = { (const char *)data, size };
	ssf_auto(ssf_key) from_jwk = NULL;
	ssf_auto(ssf_key) from_pem = NULL;
	ssf_auto(ssf_jwks) set = NULL;
	json_auto_t *doc = NULL;

	if (ssf_key_from_pem(text, NULL, &from_pem, NULL) == 0)
		check_published(from_pem);
	if (ssf_json_parse(text, &ssf_json_default, &doc, NULL) < 0)
		return 0;
	if (ssf_key_from_jwk(doc, &from_jwk, NULL) == 0) {
		if (ssf_key_is_private(from_jwk))
			abort();
		check_published(from_jwk);
	}
	if (ssf_jwks_parse(doc, &set, NULL) == 0) {
		ssf_jwks_find(set, SSF_STR(""), SSF_ALG_RS256);
		ssf_jwks_find(set, SSF_STR("1"), SSF_ALG_ES256);
	}
	return 0;
}
