/* SPDX-License-Identifier: Apache-2.0 */
/* Entity tags: one pass over the list, nothing is kept. */
#include "lib/ssf/etag.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void ssf_etag(int64_t version, char out[SSF_ETAG_LEN])
{
	snprintf(out, SSF_ETAG_LEN, "\"%" PRId64 "\"", version);
}

static void skip(struct ssf_str *s, size_t n)
{
	s->ptr += n;
	s->len -= n;
}

static void skip_blanks(struct ssf_str *s)
{
	while (s->len > 0 && (*s->ptr == ' ' || *s->ptr == '\t'))
		skip(s, 1);
}

/* etagc: visible characters but the quote, and what is not ASCII. */
static bool is_tag_char(char c)
{
	unsigned char u = (unsigned char)c;

	return u > 0x20 && u != '"' && u != 0x7f;
}

/* Takes one tag off the front; *tag: with its quotes. */
static int take_tag(struct ssf_str *rest, bool *weak, struct ssf_str *tag, struct ssf_err *err)
{
	size_t len = 1;

	*weak = ssf_str_has_prefix(*rest, "W/");
	if (*weak)
		skip(rest, 2);
	if (rest->len == 0 || *rest->ptr != '"')
		return ssf_fail(err, SSF_E_MALFORMED, "If-Match: a tag has to be in quotes");
	while (len < rest->len && is_tag_char(rest->ptr[len]))
		len++;
	if (len == rest->len || rest->ptr[len] != '"')
		return ssf_fail(err, SSF_E_MALFORMED, "If-Match: a tag that does not end well");
	*tag = (struct ssf_str){ rest->ptr, len + 1 };
	skip(rest, len + 1);
	return 0;
}

int ssf_etag_match(struct ssf_str if_match, int64_t version, bool *matches, struct ssf_err *err)
{
	struct ssf_str rest = if_match, tag;
	char ours[SSF_ETAG_LEN];
	size_t tags = 0;
	bool weak;

	*matches = ssf_str_eq_c(if_match, "*");
	if (*matches)
		return 0;
	ssf_etag(version, ours);
	for (skip_blanks(&rest); rest.len > 0; skip_blanks(&rest)) {
		if (*rest.ptr == ',') {
			skip(&rest, 1);
			continue;
		}
		if (take_tag(&rest, &weak, &tag, err) < 0)
			return -1;
		*matches = *matches || (!weak && ssf_str_eq_c(tag, ours));
		tags++;
		skip_blanks(&rest);
		if (rest.len > 0 && *rest.ptr != ',')
			return ssf_fail(err, SSF_E_MALFORMED, "If-Match: no comma between tags");
	}
	return tags > 0 ? 0 : ssf_fail(err, SSF_E_MALFORMED, "If-Match: no tag");
}
