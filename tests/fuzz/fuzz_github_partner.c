/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything about the partner program that comes from outside: the same bytes as a report, as a
 * document of keys, as a signature and as a signed body.
 */
#include "transmitters/github/partner.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define KEY_ID "bcb53661c06b4728e59d897fb6165d5c9cda0fd9cdf9d09ead458168deb7518c"
#define KEY_DOC "{\"public_keys\":[{\"key_identifier\":\"" KEY_ID "\",\"key\":\"" \
	"-----BEGIN PUBLIC KEY-----\\n" \
	"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEYAGMWO8XgCamYKMJS6jc/qgvSlAd\\n" \
	"AjPuDPRcXU22YxgBrz+zoN19MzuRyW87qEt9/AmtoNP5GrobzUvQSyJFVw==\\n" \
	"-----END PUBLIC KEY-----\\n\"}]}"

static void map(struct ssf_str body)
{
	static const bool known[GITHUB_PARTNER_MAX_TOKENS];
	struct signal_list list;
	ssf_auto_buf answer;
	struct ssf_err err;

	ssf_buf_init(&answer, GITHUB_PARTNER_MAX);
	signal_list_init(&list, GITHUB_PARTNER_MAX_TOKENS);
	if (github_partner_map(body, &list, &err) == 0) {
		if (github_partner_answer(&list, known, &answer, &err) < 0)
			abort();
	} else if (list.count > 0) {
		abort();
	}
	signal_list_done(&list);
}

static void verify(struct ssf_str input)
{
	ssf_auto(github_keys) keys = NULL;
	ssf_auto(github_keys) fixed = NULL;
	const struct ssf_str ones = SSF_STR("MAYCAQECAQE="); /* r = s = 1 */
	struct ssf_err err;

	if (github_keys_parse(input, &keys, &err) == 0 && github_keys_count(keys) == 0)
		abort();
	if (github_keys_parse(SSF_STR(KEY_DOC), &fixed, &err) < 0)
		abort();
	if (github_partner_verify(fixed, SSF_STR(KEY_ID), input, SSF_STR("[]"), &err) == 0 ||
	    github_partner_verify(fixed, SSF_STR(KEY_ID), ones, input, &err) == 0 ||
	    github_partner_verify(fixed, input, ones, SSF_STR("[]"), &err) == 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ssf_str input = { (const char *)data, size };

	map(input);
	verify(input);
	return 0;
}
