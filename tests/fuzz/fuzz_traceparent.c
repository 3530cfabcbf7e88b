/* SPDX-License-Identifier: Apache-2.0 */
/* lib/ssf/traceparent: a value of the header, from anybody. */
#include "lib/ssf/traceparent.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ssf_str value = { (const char *)data, size };
	char out[SSF_TRACEPARENT_LEN], again[SSF_TRACEPARENT_LEN];

	if (!ssf_traceparent_parse(value, out))
		return 0;
	/* what goes on is of version 00, names the same trace and parent, and is taken as it is */
	if (strlen(out) != SSF_TRACEPARENT_LEN - 1 || memcmp(out, "00-", 3) != 0 ||
	    memcmp(out + 2, data + 2, 51) != 0 || !ssf_traceparent_parse(ssf_str_c(out), again) ||
	    strcmp(out, again) != 0)
		abort();
	return 0;
}
