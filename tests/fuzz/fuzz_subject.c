/* SPDX-License-Identifier: Apache-2.0 */
/* lib/ssf/subject: any JSON value as a subject identifier. */
#include "lib/ssf/json.h"
#include "lib/ssf/subject.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t key[SSF_SHA256_LEN];
	json_auto_t *subject = NULL;
	struct ssf_err err;

	if (ssf_json_parse((struct ssf_str){ (const char *)data, size }, &ssf_json_default,
			   &subject, NULL) < 0)
		return 0;
	if (ssf_subject_check(subject, &err) < 0) {
		if (!ssf_utf8_valid(ssf_str_c(err.msg)))
			abort();
		return 0;
	}
	if (!json_is_string(json_object_get(subject, "format")) ||
	    ssf_subject_key(subject, key) < 0)
		abort();
	return 0;
}
