/* SPDX-License-Identifier: Apache-2.0 */
/* lib/ssf/jws: any bytes as a token, against a key of each kind that never signed it. */
#include "lib/ssf/jws.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct ssf_key *new_key(enum ssf_alg alg)
{
	struct ssf_key *key;

	if (ssf_key_generate(alg, &key, NULL) < 0)
		abort();
	return key;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ssf_key *rsa;
	static struct ssf_key *ec;
	struct ssf_jws jws;

	if (rsa == NULL) {
		rsa = new_key(SSF_ALG_RS256);
		ec = new_key(SSF_ALG_ES256);
	}
	if (ssf_jws_parse((struct ssf_str){ (const char *)data, size }, &jws, NULL) < 0)
		return 0;
	if (ssf_jws_verify(&jws, rsa, NULL) == 0 || ssf_jws_verify(&jws, ec, NULL) == 0)
		abort();
	ssf_jws_done(&jws);
	return 0;
}
