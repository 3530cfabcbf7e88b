/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lookup of an alert's secret. The secret lives in the parsed answer for as long as it takes
 * to hash it; the caller wipes the raw answer.
 */
#include "transmitters/github/alert.h"

#include "lib/ssf/json.h"

#include <string.h>

#define API_URL "https://api.github.com"
#define NAME_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
#define REPOSITORY_PART_MAX_LEN 100

static bool is_repository_part(struct ssf_str part)
{
	if (part.len == 0 || part.len > REPOSITORY_PART_MAX_LEN || ssf_str_eq_c(part, "."))
		return false;
	for (size_t i = 0; i < part.len; i++) {
		if (memchr(NAME_CHARS, part.ptr[i], sizeof(NAME_CHARS) - 1) == NULL)
			return false;
	}
	return memmem(part.ptr, part.len, "..", 2) == NULL;
}

bool github_is_repository(const char *full_name)
{
	const char *slash = strchr(full_name, '/');

	return slash != NULL &&
	       is_repository_part((struct ssf_str){ full_name, (size_t)(slash - full_name) }) &&
	       is_repository_part(ssf_str_c(slash + 1));
}

/* http:// is accepted: whether it may be used is decided where the connection is made. */
static int add_url(const char *api, const json_t *detail, struct ssf_buf *out, struct ssf_err *err)
{
	struct ssf_str base = ssf_str_c(api);
	const char *repository;
	json_int_t number;

	while (ssf_str_has_suffix(base, "/"))
		base.len--;
	if (!ssf_str_has_prefix(base, "https://") && !ssf_str_has_prefix(base, "http://"))
		return ssf_fail(err, SSF_E_MALFORMED, "api.url: not an HTTP URL");
	if (strpbrk(api, "?#") != NULL)
		return ssf_fail(err, SSF_E_MALFORMED, "api.url: has a query or fragment");
	if (ssf_json_get_str(detail, "repository", &repository, err) < 0 ||
	    ssf_json_get_int(detail, "alert", &number, err) < 0)
		return -1;
	if (!github_is_repository(repository))
		return ssf_fail(err, SSF_E_MALFORMED, "repository: not owner/name");
	if (number < 1)
		return ssf_fail(err, SSF_E_MALFORMED, "alert: not positive");
	if (ssf_buf_addf(out, "%.*s/repos/%s/secret-scanning/alerts/%" JSON_INTEGER_FORMAT,
			 (int)base.len, base.ptr, repository, number) < 0)
		return ssf_fail(err, SSF_E_LIMIT, "alert URL: too long");
	return 0;
}

static int lookup_call(const struct adapter_credentials *c, const json_t *detail,
		       struct adapter_lookup_call *out, struct ssf_err *err)
{
	struct ssf_str token = adapter_secret(c, "api.token");
	const char *api = API_URL;

	if (token.len == 0)
		return ssf_fail(err, SSF_E_NOT_FOUND, "api.token: not set");
	if (ssf_json_opt_str(json_object_get(c->spec, "api"), "url", &api, err) < 0 ||
	    add_url(api, detail, &out->url, err) < 0)
		return -1;
	if (ssf_buf_addf(&out->authorization, "Authorization: Bearer %.*s", (int)token.len,
			 token.ptr) < 0)
		return ssf_fail(err, SSF_E_LIMIT, "api.token: too long");
	out->headers[0] = "Accept: application/vnd.github+json";
	out->headers[1] = "User-Agent: ssfhub";
	out->headers[2] = "X-GitHub-Api-Version: 2022-11-28";
	out->headers[3] = NULL;
	return 0;
}

static int read_alert(const json_t *answer, uint8_t fingerprint[SSF_SHA256_LEN], json_t **more,
		      struct ssf_err *err)
{
	static const char *const members[] = {
		"secret_type", "validity", "resolution", "publicly_leaked", "html_url", NULL,
	};
	const char *secret;

	if (ssf_json_get_str(answer, "secret", &secret, err) < 0)
		return -1;
	if (*secret == '\0')
		return ssf_fail(err, SSF_E_MALFORMED, "secret: empty");

	json_auto_t *alert = json_object();
	if (alert == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "out of memory");
	if (signal_copy_members(alert, answer, members, err) < 0)
		return -1;
	ssf_sha256(ssf_str_c(secret), fingerprint);
	*more = SSF_STEAL(alert);
	return 0;
}

static int lookup_answer(int status, int retry_after_s, struct ssf_str body,
			 enum adapter_lookup_result *result, uint8_t fingerprint[SSF_SHA256_LEN],
			 json_t **more, struct ssf_err *err)
{
	json_auto_t *answer = NULL;

	if (status != 200) { /* 403 with Retry-After is a rate limit */
		*result = status == 429 || status >= 500 || (status == 403 && retry_after_s >= 0) ?
				  ADAPTER_LOOKUP_RETRY :
				  ADAPTER_LOOKUP_DENIED;
		return 0;
	}
	if (ssf_json_parse(body, &ssf_json_default, &answer, err) < 0)
		return -1;
	int r = read_alert(answer, fingerprint, more, err);
	signal_wipe_strings(answer);
	*result = ADAPTER_LOOKUP_FOUND;
	return r;
}

const struct adapter_lookup github_alert_lookup = { lookup_call, lookup_answer };
