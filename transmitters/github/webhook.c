/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One webhook delivery of GitHub to one signal. What is kept is chosen by name,
 * never by leaving out: comments, descriptions and anything new stay behind,
 * because they are free text that may quote the secret.
 */
#include "transmitters/github/webhook.h"

#include "lib/ssf/form.h"
#include "lib/ssf/json.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

#define NAME_MAX_LEN 64 /* of an event, an action, a delivery id */
#define HOOK_ID_MAX_LEN 20
#define REPOSITORY_PART_MAX_LEN 100

static const struct ssf_json_limits body_limits = {
	.max_bytes = GITHUB_WEBHOOK_MAX,
	.max_depth = 64,
};

static bool consists_of(struct ssf_str s, const char *chars, size_t max)
{
	size_t known = strlen(chars);

	if (s.len == 0 || s.len > max)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (memchr(chars, s.ptr[i], known) == NULL)
			return false;
	}
	return true;
}

static int hmac_sha256(struct ssf_str key, struct ssf_str body, uint8_t out[SSF_SHA256_LEN])
{
	const void *bytes = body.len > 0 ? body.ptr : "";
	size_t len = 0;

	if (EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, key.ptr, key.len, bytes, body.len, out,
		      SSF_SHA256_LEN, &len) == NULL)
		return -1;
	return len == SSF_SHA256_LEN ? 0 : -1;
}

int github_webhook_verify(const struct github_delivery *d, const struct ssf_str *secrets,
			  size_t count, struct ssf_err *err)
{
	const struct ssf_str scheme = SSF_STR("sha256=");
	uint8_t given[SSF_SHA256_LEN];
	uint8_t ours[SSF_SHA256_LEN];
	bool fits = false;

	if (!ssf_str_has_prefix(d->signature, scheme.ptr) ||
	    ssf_unhex((struct ssf_str){ d->signature.ptr + scheme.len,
					d->signature.len - scheme.len },
		      given, sizeof(given)) < 0)
		return ssf_fail(err, SSF_E_UNAUTHENTICATED,
				"X-Hub-Signature-256: missing or malformed");
	for (size_t i = 0; i < count; i++) {
		if (secrets[i].len == 0) /* a key that everybody knows */
			continue;
		if (hmac_sha256(secrets[i], d->body, ours) < 0)
			return ssf_fail(err, SSF_E_INTERNAL, "HMAC-SHA256 failed");
		fits |= ssf_str_eq_secret((struct ssf_str){ (const char *)given, sizeof(given) },
					  (struct ssf_str){ (const char *)ours, sizeof(ours) });
	}
	if (!fits)
		return ssf_fail(err, SSF_E_UNAUTHENTICATED,
				"X-Hub-Signature-256: no secret fits");
	return 0;
}

static int check_headers(const struct github_delivery *d, struct ssf_err *err)
{
	if (!consists_of(d->event, LOWER DIGITS "_", NAME_MAX_LEN))
		return ssf_fail(err, SSF_E_MALFORMED, "X-GitHub-Event: missing or malformed");
	if (!consists_of(d->delivery, LOWER UPPER DIGITS "-", NAME_MAX_LEN))
		return ssf_fail(err, SSF_E_MALFORMED, "X-GitHub-Delivery: missing or malformed");
	if (d->hook_id.len > 0 && !consists_of(d->hook_id, DIGITS, HOOK_ID_MAX_LEN))
		return ssf_fail(err, SSF_E_MALFORMED, "X-GitHub-Hook-ID: malformed");
	return 0;
}

/* "payload=" and percent-encoded JSON, and no second field. */
static int decode_form(struct ssf_str body, struct ssf_buf *out, struct ssf_err *err)
{
	const struct ssf_str field = SSF_STR("payload=");

	if (!ssf_str_has_prefix(body, field.ptr))
		return ssf_fail(err, SSF_E_MALFORMED, "form: payload is not the first field");
	body.ptr += field.len;
	body.len -= field.len;
	for (size_t i = 0; i < body.len; i++) {
		if (body.ptr[i] == '&' || body.ptr[i] <= ' ' || body.ptr[i] > '~')
			return ssf_fail(err, SSF_E_MALFORMED, "form: not a single encoded field");
	}
	return ssf_percent_decode(body, true, out, err) < 0 ? ssf_fail_prefix(err, "form") : 0;
}

/* Without parameters: "application/json; charset=utf-8" is "application/json". */
static struct ssf_str media_type(struct ssf_str content_type)
{
	const char *semicolon = content_type.len == 0 ? NULL :
				memchr(content_type.ptr, ';', content_type.len);

	if (semicolon != NULL)
		content_type.len = (size_t)(semicolon - content_type.ptr);
	while (content_type.len > 0 && (content_type.ptr[content_type.len - 1] == ' ' ||
					content_type.ptr[content_type.len - 1] == '\t'))
		content_type.len--;
	return content_type;
}

static int parse_body(const struct github_delivery *d, json_t **out, struct ssf_err *err)
{
	struct ssf_str type = media_type(d->content_type);
	struct ssf_str text = d->body;
	ssf_auto_buf form = SSF_BUF(d->body.len); /* decoding never makes it longer */

	if (ssf_str_ieq_c(type, "application/x-www-form-urlencoded")) {
		if (decode_form(d->body, &form, err) < 0)
			return -1;
		text = ssf_buf_str(&form);
	} else if (!ssf_str_ieq_c(type, "application/json")) {
		return ssf_fail(err, SSF_E_MALFORMED, "Content-Type: neither JSON nor form");
	}
	if (ssf_json_parse(text, &body_limits, out, err) < 0)
		return -1;
	if (!json_is_object(*out))
		return ssf_fail(err, SSF_E_MALFORMED, "body: not an object");
	return 0;
}

/* Copies those members that are texts, integers or booleans; absent and null ones are left out. */
static int copy_members(json_t *to, const json_t *from, const char *const *names,
			struct ssf_err *err)
{
	for (; *names != NULL; names++) {
		json_t *value = json_object_get(from, *names);

		if (json_is_string(value)) {
			if (signal_put_text(to, *names, json_string_value(value), err) < 0)
				return -1;
		} else if (json_is_integer(value) || json_is_boolean(value)) {
			if (json_object_set(to, *names, value) < 0)
				return ssf_fail(err, SSF_E_NOMEM, "out of memory");
		}
	}
	return 0;
}

/* detail[key] = from[name], if that is a string */
static int copy_text(json_t *detail, const char *key, const json_t *from, const char *name,
		     struct ssf_err *err)
{
	const char *value = json_string_value(json_object_get(from, name));

	return value == NULL ? 0 : signal_put_text(detail, key, value, err);
}

static int put_integer(json_t *detail, const char *key, json_int_t value, struct ssf_err *err)
{
	if (json_object_set_new(detail, key, json_integer(value)) < 0)
		return ssf_fail(err, SSF_E_NOMEM, "out of memory");
	return 0;
}

/* NULL if there is none that can be part of a type: repository_dispatch lets users choose it. */
static const char *action_of(const json_t *body)
{
	const char *action = json_string_value(json_object_get(body, "action"));

	return consists_of(ssf_str_c(action), LOWER DIGITS "_", NAME_MAX_LEN) ? action : NULL;
}

static bool is_text(const json_t *obj, const char *key, const char *expected)
{
	const char *value = json_string_value(json_object_get(obj, key));

	return value != NULL && strcmp(value, expected) == 0;
}

/* News of a leak that may still be abused, so that it matters whose credential it is. */
static bool is_live_leak(const char *action, const json_t *alert)
{
	static const char *const news[] = { "created", "reopened", "publicly_leaked" };
	const json_t *resolution = json_object_get(alert, "resolution");

	if (action == NULL || (resolution != NULL && !json_is_null(resolution)) ||
	    is_text(alert, "validity", "inactive"))
		return false;
	if (strcmp(action, "validated") == 0)
		return is_text(alert, "validity", "active");
	for (size_t i = 0; i < SSF_ARRAY_SIZE(news); i++) {
		if (strcmp(action, news[i]) == 0)
			return true;
	}
	return false;
}

static bool is_repository_part(struct ssf_str part)
{
	return consists_of(part, LOWER UPPER DIGITS "._-", REPOSITORY_PART_MAX_LEN) &&
	       memmem(part.ptr, part.len, "..", 2) == NULL && !ssf_str_eq_c(part, ".");
}

/* "owner/name", fit to be put into a URL as it is */
static bool is_repository(const char *full_name)
{
	const char *slash = strchr(full_name, '/');

	return slash != NULL &&
	       is_repository_part((struct ssf_str){ full_name, (size_t)(slash - full_name) }) &&
	       is_repository_part(ssf_str_c(slash + 1));
}

static int put_alert(json_t *detail, const json_t *body, struct ssf_err *err)
{
	static const char *const members[] = {
		"secret_type", "secret_type_display_name", "validity", "publicly_leaked",
		"resolution", "push_protection_bypassed", "html_url", "url", NULL,
	};
	const json_t *alert = json_object_get(body, "alert");
	const char *full_name;
	json_int_t number;

	if (ssf_json_get_int(alert, "number", &number, err) < 0)
		return ssf_fail_prefix(err, "alert");
	if (number < 1)
		return ssf_fail(err, SSF_E_MALFORMED, "alert: number: not positive");
	if (ssf_json_get_str(json_object_get(body, "repository"), "full_name", &full_name, err) < 0)
		return ssf_fail_prefix(err, "repository");
	if (!is_repository(full_name))
		return ssf_fail(err, SSF_E_MALFORMED, "repository: full_name: not owner/name");
	if (put_integer(detail, "alert", number, err) < 0)
		return -1;
	return copy_members(detail, alert, members, err);
}

static int put_location(json_t *detail, const json_t *location, struct ssf_err *err)
{
	static const char *const members[] = { "path", "commit_sha", "start_line", NULL };

	if (copy_text(detail, "location_type", location, "type", err) < 0)
		return -1;
	return copy_members(detail, json_object_get(location, "details"), members, err);
}

/* What every event may have. */
static int put_origin(json_t *detail, const json_t *body, struct ssf_err *err)
{
	const json_t *repository = json_object_get(body, "repository");
	const json_t *id = json_object_get(repository, "id");

	if (json_is_integer(id) &&
	    put_integer(detail, "repository_id", json_integer_value(id), err) < 0)
		return -1;
	if (copy_text(detail, "repository", repository, "full_name", err) < 0)
		return -1;
	return copy_text(detail, "organization", json_object_get(body, "organization"), "login",
			 err);
}

static int put_detail(const struct github_delivery *d, const json_t *body, const char *action,
		      struct signal *s, struct ssf_err *err)
{
	bool located = ssf_str_eq_c(d->event, "secret_scanning_alert_location");

	s->detail = json_pack("{s:s, s:s%, s:s*}", "provider", "github", "event", d->event.ptr,
			      d->event.len, "action", action);
	if (s->detail == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "out of memory");
	if (put_origin(s->detail, body, err) < 0)
		return -1;
	if (!located && !ssf_str_eq_c(d->event, "secret_scanning_alert"))
		return copy_text(s->detail, "sender", json_object_get(body, "sender"), "login",
				 err);
	if (put_alert(s->detail, body, err) < 0)
		return -1;
	if (located)
		return put_location(s->detail, json_object_get(body, "location"), err);
	if (is_live_leak(action, json_object_get(body, "alert")))
		s->lookup = SIGNAL_LOOKUP_GITHUB_ALERT;
	return 0;
}

static int put_names(const struct github_delivery *d, const char *action, struct signal *s,
		     struct ssf_err *err)
{
	struct ssf_str hook = d->hook_id.len > 0 ? d->hook_id : SSF_STR("-");
	ssf_auto_buf type = SSF_BUF(sizeof("github..") + 2 * NAME_MAX_LEN);
	ssf_auto_buf id = SSF_BUF(sizeof(".") + HOOK_ID_MAX_LEN + NAME_MAX_LEN);

	ssf_buf_addf(&type, "github.%.*s", (int)d->event.len, d->event.ptr);
	if (action != NULL)
		ssf_buf_addf(&type, ".%s", action);
	ssf_buf_addf(&id, "%.*s.%.*s", (int)hook.len, hook.ptr, (int)d->delivery.len,
		     d->delivery.ptr);
	s->type = ssf_buf_steal(&type);
	s->id = ssf_buf_steal(&id);
	if (s->type == NULL || s->id == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "out of memory");
	return 0;
}

int github_webhook_map(const struct github_delivery *d, struct signal_list *out,
		       struct ssf_err *err)
{
	json_auto_t *body = NULL;
	size_t before = out->count;
	struct signal *s;

	if (check_headers(d, err) < 0 || parse_body(d, &body, err) < 0 ||
	    signal_list_add(out, &s, err) < 0)
		return -1;

	const char *action = action_of(body);
	if (put_names(d, action, s, err) < 0 || put_detail(d, body, action, s, err) < 0) {
		signal_list_truncate(out, before);
		return -1;
	}
	return 0;
}

static int read_alert(const json_t *answer, uint8_t fingerprint[SSF_SHA256_LEN], json_t **out,
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
	if (copy_members(alert, answer, members, err) < 0)
		return -1;
	ssf_sha256(ssf_str_c(secret), fingerprint);
	*out = SSF_STEAL(alert);
	return 0;
}

int github_alert_parse(struct ssf_str body, uint8_t fingerprint[SSF_SHA256_LEN], json_t **alert,
		       struct ssf_err *err)
{
	json_auto_t *answer = NULL;

	if (ssf_json_parse(body, &ssf_json_default, &answer, err) < 0)
		return -1;
	int r = read_alert(answer, fingerprint, alert, err);
	signal_wipe_strings(answer);
	return r;
}

int github_alert_url(const char *api, const char *repository, json_int_t number,
		     struct ssf_buf *out, struct ssf_err *err)
{
	struct ssf_str base = ssf_str_c(api);

	while (ssf_str_has_suffix(base, "/"))
		base.len--;
	if (!ssf_str_has_prefix(base, "https://") && !ssf_str_has_prefix(base, "http://"))
		return ssf_fail(err, SSF_E_MALFORMED, "api url: not an HTTP URL");
	if (strpbrk(api, "?#") != NULL)
		return ssf_fail(err, SSF_E_MALFORMED, "api url: has a query or fragment");
	if (!is_repository(repository))
		return ssf_fail(err, SSF_E_MALFORMED, "repository: not owner/name");
	if (number < 1)
		return ssf_fail(err, SSF_E_MALFORMED, "alert: number: not positive");
	if (ssf_buf_addf(out, "%.*s/repos/%s/secret-scanning/alerts/%" JSON_INTEGER_FORMAT,
			 (int)base.len, base.ptr, repository, number) < 0)
		return ssf_fail(err, SSF_E_LIMIT, "alert URL: too long");
	return 0;
}
