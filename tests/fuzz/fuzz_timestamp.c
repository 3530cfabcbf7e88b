/* SPDX-License-Identifier: Apache-2.0 */
/* lib/ssf/when: a time. */
#include "lib/ssf/timestamp.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ssf_str text = { (const char *)data, size };
	struct ssf_err err;
	int64_t ms;

	/* what is taken is a time of the years that there are, and short */
	if (ssf_timestamp_parse(text, &ms, &err) == 0 && (ms < 0 || ms > 253402387200000 || size > 35))
		abort();
	return 0;
}
