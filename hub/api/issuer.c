/* SPDX-License-Identifier: Apache-2.0 */
/* The only place that builds the hub's URLs and takes request paths apart. */
#include "hub/api/issuer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ISSUER_MAX 512
#define WELL_KNOWN "/.well-known/"

static int check_form(const char *url, const char *host, struct ssf_err *err)
{
	size_t len = strlen(url);

	if (len > ISSUER_MAX)
		return ssf_fail(err, SSF_E_MALFORMED, "issuer: longer than %d bytes", ISSUER_MAX);
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)url[i] <= ' ' || (unsigned char)url[i] >= 0x7f || strchr("\"\\<>", url[i]) != NULL)
			return ssf_fail(err, SSF_E_MALFORMED, "issuer: has a character that is not allowed in URLs");
	}
	if (strpbrk(url, "?#") != NULL)
		return ssf_fail(err, SSF_E_MALFORMED, "issuer: must have no query and no fragment");
	if (host[0] == '\0' || host[0] == '/' || host[0] == ':')
		return ssf_fail(err, SSF_E_MALFORMED, "issuer: has no host");
	if (memchr(host, '@', strcspn(host, "/")) != NULL)
		return ssf_fail(err, SSF_E_MALFORMED, "issuer: must have no user in it");
	return 0;
}

/* If the issuer's path began like one of the hub's own, "/v1/status" could be meant with it or without. */
static int check_path(const char *path, struct ssf_err *err)
{
	static const char *const reserved[] = { "v1", "ssf", "streams", "in", "events", "oauth2", ".well-known" };
	struct ssf_str first = { path, strcspn(path, "/") };

	for (size_t i = 0; i < SSF_ARRAY_SIZE(reserved); i++) {
		if (ssf_str_eq_c(first, reserved[i]))
			return ssf_fail(err, SSF_E_MALFORMED, "issuer: its path must not begin like one of the hub's own");
	}
	if (strstr(path, "//") != NULL || strchr(path, '%') != NULL)
		return ssf_fail(err, SSF_E_MALFORMED, "issuer: its path must have no escapes and no empty segment");
	return 0;
}

int issuer_parse(const char *url, bool http, struct issuer *out, struct ssf_err *err)
{
	const char *host = strncmp(url, "https://", 8) == 0	   ? url + 8 :
			   http && strncmp(url, "http://", 7) == 0 ? url + 7 :
								     NULL;
	const char *host_end;

	if (host == NULL)
		return ssf_fail(err, SSF_E_MALFORMED, "issuer: must be an https URL");
	if (check_form(url, host, err) < 0)
		return -1;
	host_end = host + strcspn(host, "/");
	if (*host_end == '/' && check_path(host_end + 1, err) < 0)
		return -1;
	*out = (struct issuer){ .url = strdup(url) };
	if (out->url == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "issuer");
	out->origin = (size_t)(host_end - url);
	out->end = strlen(url);
	while (out->end > out->origin && url[out->end - 1] == '/')
		out->end--;
	return 0;
}

void issuer_done(struct issuer *i)
{
	free(i->url);
	*i = (struct issuer){ .url = NULL };
}

char *issuer_url(const struct issuer *i, const char *path)
{
	char *url;

	return asprintf(&url, "%.*s%s", (int)i->end, i->url, path) < 0 ? NULL : url;
}

int issuer_put_url(json_t *doc, const char *member, const struct issuer *i, const char *path)
{
	ssf_auto_free char *url = issuer_url(i, path);

	return url != NULL ? json_object_set_new(doc, member, json_string(url)) : -1;
}

char *issuer_well_known(const struct issuer *i, const char *name)
{
	char *url;

	return asprintf(&url, "%.*s" WELL_KNOWN "%s%.*s", (int)i->origin, i->url, name,
			(int)(i->end - i->origin), i->url + i->origin) < 0 ?
		       NULL :
		       url;
}

bool issuer_strip(const struct issuer *i, const char *path, struct ssf_buf *out)
{
	struct ssf_str base = { i->url + i->origin, i->end - i->origin };
	size_t known = strlen(WELL_KNOWN), name;

	if (strncmp(path, WELL_KNOWN, known) == 0) {
		name = known + strcspn(path + known, "/");
		return ssf_str_eq(ssf_str_c(path + name), base) && ssf_buf_add(out, path, name) == 0;
	}
	if (base.len > 0 && strncmp(path, base.ptr, base.len) == 0 && path[base.len] == '/')
		path += base.len;
	return ssf_buf_adds(out, path) == 0;
}
