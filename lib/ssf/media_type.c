/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parameters are skipped, not checked: no media type that is accepted here has one that changes its meaning
 * (RFC 8417 section 7.2 and RFC 8259 section 11 define none).
 */
#include "lib/ssf/media_type.h"

#include <string.h>

struct ssf_str ssf_media_type(struct ssf_str value)
{
	const char *semicolon = value.len > 0 ? memchr(value.ptr, ';', value.len) : NULL;

	if (semicolon != NULL)
		value.len = (size_t)(semicolon - value.ptr);
	return ssf_str_trim(value);
}

bool ssf_media_type_is(struct ssf_str value, const char *type)
{
	return ssf_str_ieq_c(ssf_media_type(value), type);
}
