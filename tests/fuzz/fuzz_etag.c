/* SPDX-License-Identifier: Apache-2.0 */
/* lib/ssf/etag: a value of If-Match, against version 7. */
#include "lib/ssf/etag.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool contains_tag(const uint8_t *data, size_t size)
{
	for (size_t i = 0; i + 3 <= size; i++) {
		if (memcmp(data + i, "\"7\"", 3) == 0)
			return true;
	}
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ssf_str text = { (const char *)data, size };
	bool matches;
	struct ssf_err err;

	if (ssf_etag_match(text, 7, &matches, &err) < 0)
		return 0;
	/* nothing gets through that does not hold the tag */
	if (matches && !(size == 1 && data[0] == '*') && !contains_tag(data, size))
		abort();
	return 0;
}
