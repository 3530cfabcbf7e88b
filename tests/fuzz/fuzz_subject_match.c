/* SPDX-License-Identifier: Apache-2.0 */
/* lib/ssf/subject: two subjects with a newline between them; what holds for any two that match. */
#include "lib/ssf/attr.h"
#include "lib/ssf/json.h"
#include "lib/ssf/subject.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static json_t *parse(const uint8_t *data, size_t size)
{
	json_auto_t *subject = NULL;

	if (ssf_json_parse((struct ssf_str){ (const char *)data, size }, &ssf_json_default,
			   &subject, NULL) < 0 ||
	    ssf_subject_check(subject, NULL) < 0)
		return NULL;
	return SSF_STEAL(subject);
}

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void compare(const json_t *a, const json_t *b)
{
	bool matches = ssf_subject_matches(a, b);
	uint8_t key_a[SSF_SHA256_LEN];
	uint8_t key_b[SSF_SHA256_LEN];

	require(matches == ssf_subject_matches(b, a));
	require(matches || !ssf_subject_covers(a, b));
	require(matches || !ssf_subject_covers(b, a));
	require(ssf_subject_key(a, key_a) == 0 && ssf_subject_key(b, key_b) == 0);
	if (memcmp(key_a, key_b, sizeof(key_a)) == 0)
		require(ssf_subject_covers(a, b) && ssf_subject_covers(b, a));
	require(ssf_subject_covers(a, a) && ssf_subject_covers(b, b));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *newline = size > 0 ? memchr(data, '\n', size) : NULL;

	if (newline == NULL)
		return 0;
	size_t first = (size_t)(newline - data);
	json_auto_t *a = parse(data, first);
	json_auto_t *b = parse(newline + 1, size - first - 1);

	if (a != NULL && b != NULL)
		compare(a, b);
	return 0;
}
