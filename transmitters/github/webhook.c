/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Adapter "github": webhooks (docs.github.com, "Webhook events and payloads"). HMAC-SHA256 of
 * the raw body in X-Hub-Signature-256; JSON or form bodies; a delivery is identified by hook id
 * and GUID. docs/sources/github.md says what becomes of each event.
 *
 * What is kept is chosen by name, never by leaving out: comments, descriptions and members that
 * this code does not know stay behind, because free text may quote the secret.
 */
#include "transmitters/adapter.h"

#include "lib/ssf/form.h"
#include "lib/ssf/json.h"
#include "lib/ssf/media_type.h"
#include "transmitters/github/alert.h"
#include "transmitters/hmac.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

#define BODY_MAX (25 * 1024 * 1024) /* GitHub's own limit */
#define NAME_MAX_LEN 64 /* of an event, an action, a delivery id */
#define HOOK_ID_MAX_LEN 20

/* The headers that name a delivery; views into the request. */
struct delivery {
	struct ssf_str event, guid, hook_id;
};

static const struct ssf_json_limits body_limits = {
	.max_bytes = BODY_MAX,
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

static int read_headers(const struct adapter_request *r, struct delivery *d, struct ssf_err *err)
{
	*d = (struct delivery){ adapter_header(r, "X-GitHub-Event"),
				adapter_header(r, "X-GitHub-Delivery"),
				adapter_header(r, "X-GitHub-Hook-ID") };
	if (!consists_of(d->event, LOWER DIGITS "_", NAME_MAX_LEN))
		return ssf_fail(err, SSF_E_MALFORMED, "X-GitHub-Event: missing or malformed");
	if (!consists_of(d->guid, LOWER UPPER DIGITS "-", NAME_MAX_LEN))
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

static int parse_body(const struct adapter_request *r, json_t **out, struct ssf_err *err)
{
	struct ssf_str type = adapter_header(r, "Content-Type");
	ssf_auto_buf form = SSF_BUF(r->body.len); /* decoding never makes it longer */
	struct ssf_str text = r->body;

	if (ssf_media_type_is(type, "application/x-www-form-urlencoded")) {
		if (decode_form(r->body, &form, err) < 0)
			return -1;
		text = ssf_buf_str(&form);
	} else if (!ssf_media_type_is(type, "application/json")) {
		return ssf_fail(err, SSF_E_MALFORMED, "Content-Type: neither JSON nor form");
	}
	if (ssf_json_parse(text, &body_limits, out, err) < 0)
		return -1;
	if (!json_is_object(*out))
		return ssf_fail(err, SSF_E_MALFORMED, "body: not an object");
	return 0;
}

/* NULL if it cannot be part of a signal's type: repository_dispatch lets users choose it. */
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

/* Whether the alert tells of a leak that may still be abused, so that its credential matters. */
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
	if (!github_is_repository(full_name))
		return ssf_fail(err, SSF_E_MALFORMED, "repository: full_name: not owner/name");
	if (signal_put_integer(detail, "alert", number, err) < 0)
		return -1;
	return signal_copy_members(detail, alert, members, err);
}

static int put_location(json_t *detail, const json_t *location, struct ssf_err *err)
{
	static const char *const members[] = { "path", "commit_sha", "start_line", NULL };

	if (signal_copy_text(detail, "location_type", location, "type", err) < 0)
		return -1;
	return signal_copy_members(detail, json_object_get(location, "details"), members, err);
}

/* The members that every event may have. */
static int put_origin(json_t *detail, const json_t *body, struct ssf_err *err)
{
	const json_t *repository = json_object_get(body, "repository");
	const json_t *id = json_object_get(repository, "id");

	if (json_is_integer(id) &&
	    signal_put_integer(detail, "repository_id", json_integer_value(id), err) < 0)
		return -1;
	if (signal_copy_text(detail, "repository", repository, "full_name", err) < 0)
		return -1;
	return signal_copy_text(detail, "organization", json_object_get(body, "organization"),
				"login", err);
}

/* Events other than alerts keep only their origin and sender: their bodies may hold anything. */
static int put_detail(const struct delivery *d, const json_t *body, const char *action,
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
		return signal_copy_text(s->detail, "sender", json_object_get(body, "sender"),
					"login", err);
	if (put_alert(s->detail, body, err) < 0)
		return -1;
	if (located)
		return put_location(s->detail, json_object_get(body, "location"), err);
	s->needs_lookup = is_live_leak(action, json_object_get(body, "alert"));
	return 0;
}

static int put_names(const struct delivery *d, const char *action, struct signal *s,
		     struct ssf_err *err)
{
	struct ssf_str hook = d->hook_id.len > 0 ? d->hook_id : SSF_STR("-");
	ssf_auto_buf type = SSF_BUF(sizeof("github..") + 2 * NAME_MAX_LEN);
	ssf_auto_buf id = SSF_BUF(sizeof(".") + HOOK_ID_MAX_LEN + NAME_MAX_LEN);

	ssf_buf_addf(&type, "github.%.*s", (int)d->event.len, d->event.ptr);
	if (action != NULL)
		ssf_buf_addf(&type, ".%s", action);
	ssf_buf_addf(&id, "%.*s.%.*s", (int)hook.len, hook.ptr, (int)d->guid.len, d->guid.ptr);
	s->type = ssf_buf_steal(&type);
	s->id = ssf_buf_steal(&id);
	if (s->type == NULL || s->id == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "out of memory");
	return 0;
}

/* One delivery is one signal. */
static int webhook_map(const struct adapter_request *r, const json_t *spec,
		       struct signal_list *signals, struct adapter_reply *reply,
		       struct ssf_err *err)
{
	size_t before = signals->count;
	json_auto_t *body = NULL;
	struct delivery d;
	struct signal *s;

	(void)spec;
	(void)reply;
	if (read_headers(r, &d, err) < 0 || parse_body(r, &body, err) < 0 ||
	    signal_list_add(signals, &s, err) < 0)
		return -1;

	const char *action = action_of(body);
	if (put_names(&d, action, s, err) < 0 || put_detail(&d, body, action, s, err) < 0) {
		signal_list_truncate(signals, before);
		return -1;
	}
	return 0;
}

/* X-Hub-Signature (SHA-1) is never looked at. */
static int webhook_authenticate(const struct adapter_request *r,
				const struct adapter_credentials *c, struct ssf_err *err)
{
	static const struct hmac_scheme scheme = { "X-Hub-Signature-256", "sha256=" };

	return hmac_verify(&scheme, r, c, err);
}

static const struct adapter_member members[] = {
	{ "secret", ADAPTER_SECRET, ADAPTER_REQUIRED | ADAPTER_AUTHENTICATES,
	  "The secret of the webhook.", "\"0d3f6a1c...\"" },
	{ "previous_secret", ADAPTER_SECRET, ADAPTER_AUTHENTICATES,
	  "The secret before, accepted as well while it is being changed.", "\"b81e90aa...\"" },
	{ "api.url", ADAPTER_URL, 0,
	  "The REST API that tells which secret an alert is about; https://api.github.com if not set.",
	  "\"https://ghe.example/api/v3\"" },
	{ "api.token", ADAPTER_SECRET, ADAPTER_REQUIRED | ADAPTER_LOOKS_UP | ADAPTER_IN_HEADER,
	  "A token of that API with read access to secret scanning alerts.", "\"github_pat_...\"" },
	{ .name = NULL },
};

static const struct adapter_route routes[] = {
	{ "POST", "", webhook_map },
	{ .path = NULL },
};

const struct source_adapter github_adapter = {
	.type = "github",
	.summary = "Webhooks of a GitHub repository, organization or app",
	.members = members,
	.routes = routes,
	.lookup = &github_alert_lookup,
	.authenticate = webhook_authenticate,
};
