/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/ssf/set: any bytes as the payload of a well signed token, so that the
 * claims are reached. What is accepted must have what struct ssf_set promises.
 */
#include "lib/ssf/set.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const audience[] = { "https://r", NULL };
static const struct ssf_set_policy policy = {
	.issuer = "https://i",
	.audience = audience,
	.now = 1000,
	.max_skew = 60,
};

static void check_promises(const struct ssf_set *set)
{
	size_t events = json_object_size(set->events);

	if (strcmp(set->iss, policy.issuer) != 0 || set->iat < 0 || set->iat > 1060 ||
	    set->jti[0] == '\0' || strlen(set->jti) > 256 || events == 0 ||
	    events > SSF_SET_MAX_EVENTS)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ssf_key *key;
	struct ssf_set set;
	struct ssf_jws jws;
	struct ssf_err err;
	ssf_auto_buf token;
	char iss[64];

	if (key == NULL && ssf_key_generate(SSF_ALG_ES256, &key, NULL) < 0)
		abort();
	ssf_buf_init(&token, SSF_JWS_MAX);
	if (ssf_jws_sign(key, SSF_SET_TYP, (struct ssf_str){ (const char *)data, size }, &token,
			 NULL) < 0)
		return 0;
	if (ssf_jws_parse(ssf_buf_str(&token), &jws, &err) < 0)
		abort();
	int peeked = ssf_set_peek_issuer(&jws, iss, sizeof(iss), &err);
	if (ssf_set_verify(&jws, key, &policy, &set, &err) == 0) {
		if (peeked < 0 || strcmp(iss, set.iss) != 0)
			abort();
		check_promises(&set);
		ssf_set_done(&set);
	} else if (!ssf_utf8_valid(ssf_str_c(err.msg)) || err.code == SSF_E_SIGNATURE) {
		abort();
	}
	ssf_jws_done(&jws);
	return 0;
}
