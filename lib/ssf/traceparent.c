/* SPDX-License-Identifier: Apache-2.0 */
/* traceparent: 00-<32 hex>-<16 hex>-<2 hex>, lower case only. */
#include "lib/ssf/traceparent.h"

#include <string.h>

#define LEN (SSF_TRACEPARENT_LEN - 1)
#define AT_TRACE 3   /* trace-id, 32 digits */
#define AT_PARENT 36 /* parent-id, 16 digits */
#define AT_FLAGS 53

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* count digits at p, and not all zero if that would mean that there is none. */
static bool is_hex(const char *p, size_t count, bool may_be_zero)
{
	bool zero = true;

	for (size_t i = 0; i < count; i++) {
		if (hex_value(p[i]) < 0)
			return false;
		zero = zero && p[i] == '0';
	}
	return may_be_zero || !zero;
}

/* Version 00 ends after the flags; a later one may go on behind a dash. ff is no version. */
static bool ends_well(struct ssf_str value, bool version_0)
{
	return value.len == LEN || (!version_0 && value.ptr[LEN] == '-');
}

bool ssf_traceparent_parse(struct ssf_str value, char out[SSF_TRACEPARENT_LEN])
{
	const char *p = value.ptr;
	bool version_0;

	if (value.len < LEN || !is_hex(p, 2, true) || memcmp(p, "ff", 2) == 0)
		return false;
	version_0 = memcmp(p, "00", 2) == 0;
	if (p[AT_TRACE - 1] != '-' || p[AT_PARENT - 1] != '-' || p[AT_FLAGS - 1] != '-' ||
	    !is_hex(p + AT_TRACE, 32, false) || !is_hex(p + AT_PARENT, 16, false) ||
	    !is_hex(p + AT_FLAGS, 2, true) || !ends_well(value, version_0))
		return false;
	memcpy(out, p, LEN);
	out[LEN] = '\0';
	memcpy(out, "00", 2);
	/* flags that version 00 does not define are passed on as zero (section 3.2.2.5) */
	out[AT_FLAGS] = '0';
	out[AT_FLAGS + 1] = (hex_value(p[AT_FLAGS + 1]) & 1) != 0 ? '1' : '0';
	return true;
}

void ssf_traceparent_child(const char *in, uint64_t parent_id, char out[SSF_TRACEPARENT_LEN])
{
	memcpy(out, in, SSF_TRACEPARENT_LEN);
	for (int i = 15; i >= 0; i--, parent_id >>= 4)
		out[AT_PARENT + i] = "0123456789abcdef"[parent_id & 15];
}
