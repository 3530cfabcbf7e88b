/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resources: apply, list, get, delete. An apply is a machine:
 *
 *   parse -> check all -> resolve push addresses (job pool) -> store -> answer
 *
 * All or nothing, with the line and column of what is wrong.
 */
#include "hub/api/api_priv.h"
#include "hub/api/kinds.h"

#include "hub/rules/rules.h"
#include "hub/streams/stream.h"
#include "lib/kit/http_error.h"
#include "lib/kit/log.h"
#include "lib/ssf/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RESOURCES_MAX 1000
#define URLS_MAX 64

static const struct ssf_json_limits limits = { 4 * 1024 * 1024, 48 };

struct apply {
	struct api *api;
	struct http_req *req;
	json_t *batch;               /* {"kind","id","spec","actor"} */
	/* For the pool: copies of push addresses, and what came of them. */
	char *urls[URLS_MAX];
	size_t url_count;
	const struct netguard *guard;
	struct ssf_err err;
	int resolved;
	struct pool_job *job;
	struct registry_put *put;
};

static void apply_free(struct apply *a)
{
	for (size_t i = 0; i < a->url_count; i++)
		free(a->urls[i]);
	json_decref(a->batch);
	free(a);
}

static void apply_fail(struct apply *a, const struct ssf_err *err)
{
	http_reply_error(a->req, 0, err);
	apply_free(a);
}

/* --- store ------------------------------------------------------------------------------------------------ */

static void on_applied(void *arg, const json_t *versions, const struct ssf_err *err)
{
	struct apply *a = arg;

	if (err != NULL) {
		apply_fail(a, err);
		return;
	}
	log_info("api.applied", log_int("resources", (int64_t)json_array_size(versions)),
		 log_str("peer", http_peer(a->req)));
	reply_json(a->req, 200, json_pack("{s:O}", "applied", versions));
	apply_free(a);
}

static void store(struct apply *a)
{
	struct ssf_err err;

	if (registry_put_start(a->api->registry, a->batch, on_applied, a, &a->put, &err) < 0)
		apply_fail(a, &err);
}

/* --- resolve ---------------------------------------------------------------------------------------------- */

static void resolve_in_pool(void *arg)
{
	struct apply *a = arg;

	a->resolved = 0;
	for (size_t i = 0; a->resolved == 0 && i < a->url_count; i++) {
		a->resolved = netguard_resolve_url(a->guard, ssf_str_c(a->urls[i]), &a->err);
		/* a name that does not resolve yet is checked again at every connect */
		if (a->resolved < 0 && a->err.code == SSF_E_UNAVAILABLE)
			a->resolved = 0;
	}
}

static void on_resolved(void *arg)
{
	struct apply *a = arg;

	a->job = NULL;
	if (a->resolved < 0) {
		ssf_fail_prefix(&a->err, "delivery: endpoint_url");
		apply_fail(a, &a->err);
	} else {
		store(a);
	}
}

static void resolve_dropped(void *arg)
{
	struct apply *a = arg;
	struct ssf_err err;

	ssf_fail(&err, SSF_E_UNAVAILABLE, "shutting down");
	apply_fail(a, &err);
}

static void resolve(struct apply *a)
{
	struct pool_work work = { resolve_in_pool, on_resolved, resolve_dropped, a };
	struct ssf_err err;

	if (a->url_count == 0)
		store(a);
	else if (pool_submit(a->api->pool, &work, &a->job, &err) < 0)
		apply_fail(a, &err);
}

/* --- check ------------------------------------------------------------------------------------------------ */

/* Where in the text the i-th resource, or the member of it that the message begins with, stands. */
static int fail_located(struct ssf_str text, const char *base, const char *member,
			struct ssf_err *err)
{
	char pointer[256];
	unsigned line, column;
	size_t len = strcspn(member, ":. ");

	snprintf(pointer, sizeof(pointer), "%s/%.*s", base, (int)len, member);
	if (ssf_json_locate(text, pointer, &line, &column) == 0)
		ssf_fail_prefix(err, "%u:%u", line, column);
	return -1;
}

static int name_of(const json_t *in, enum kind *kind, const char **id, struct ssf_err *err)
{
	const char *name;

	if (!json_is_object(in))
		return ssf_fail(err, SSF_E_MALFORMED, "a resource must be an object");
	if (ssf_json_get_str(in, "kind", &name, err) < 0 || ssf_json_get_str(in, "id", id, err) < 0)
		return -1;
	if (kind_from_name(name, kind) < 0)
		return ssf_fail(err, SSF_E_MALFORMED, "kind: there is no such kind");
	if (!kind_id_valid(*id))
		return ssf_fail(err, SSF_E_MALFORMED,
				"id: must be 1 to 128 of A-Z a-z 0-9 . _ : @ -");
	return 0;
}

static int add_checked(struct apply *a, enum kind kind, const char *id, json_t *spec,
		       struct ssf_err *err)
{
	const json_t *delivery = json_object_get(spec, "delivery");
	const char *url = json_string_value(json_object_get(delivery, "endpoint_url"));
	json_t *item = json_pack("{s:s, s:s, s:o, s:s}", "kind", kind_name(kind), "id", id, "spec", spec,
				 "actor", "admin");

	if (item == NULL || json_array_append_new(a->batch, item) < 0)
		return ssf_fail(err, SSF_E_NOMEM, "resource");
	if (kind != KIND_STREAM || url == NULL)
		return 0;
	if (a->url_count == URLS_MAX)
		return ssf_fail(err, SSF_E_LIMIT, "more than %d push streams at once", URLS_MAX);
	a->urls[a->url_count] = strdup(url);
	if (a->urls[a->url_count] == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "resource");
	a->url_count++;
	return 0;
}

/* All resources of the request by kind and id, so that they may refer to each other in any order. */
static int collect(const json_t *list, json_t *const pending[KIND_COUNT], size_t *at,
		   struct ssf_err *err)
{
	for (*at = 0; *at < json_array_size(list); (*at)++) {
		json_t *in = json_array_get(list, *at);
		enum kind kind;
		const char *id;
		if (name_of(in, &kind, &id, err) < 0)
			return -1;
		if (json_object_get(pending[kind], id) != NULL)
			return ssf_fail(err, SSF_E_MALFORMED, "id: twice in one request");
		if (json_object_set(pending[kind], id, in) < 0)
			return ssf_fail(err, SSF_E_NOMEM, "resource");
	}
	return 0;
}

static int check_list(struct apply *a, const json_t *list, struct kinds *k, size_t *at,
		      struct ssf_err *err)
{
	for (*at = 0; *at < json_array_size(list); (*at)++) {
		const json_t *in = json_array_get(list, *at);
		json_t *spec;
		enum kind kind;
		const char *id;
		if (name_of(in, &kind, &id, err) < 0 || kind_check(k, kind, id, in, &spec, err) < 0 ||
		    add_checked(a, kind, id, spec, err) < 0)
			return -1;
	}
	return 0;
}

/* form: where in the text the list's elements are; "" when the text is one resource. */
static int check_all(struct apply *a, struct ssf_str text, const json_t *list, const char *form,
		     bool indexed, struct ssf_err *err)
{
	json_t *pending[KIND_COUNT];
	struct kinds k = { a->api->registry, a->api->master, a->api->guard, { NULL }, { NULL } };
	char base[64], member[64];
	size_t at = 0;
	int r;

	for (int i = 0; i < KIND_COUNT; i++) {
		k.pending[i] = pending[i] = json_object();
		k.claimed[i] = json_object();
	}
	r = collect(list, pending, &at, err);
	if (r == 0)
		r = check_list(a, list, &k, &at, err);
	for (int i = 0; i < KIND_COUNT; i++) {
		json_decref(pending[i]);
		json_decref(k.claimed[i]);
	}
	if (r == 0)
		return 0;
	if (indexed)
		snprintf(base, sizeof(base), "%s/%zu", form, at);
	else
		base[0] = '\0';
	snprintf(member, sizeof(member), "%.60s", err->msg);
	return fail_located(text, base, member, err);
}

static int check_rules_file(struct apply *a, struct ssf_str text, const char *id, struct ssf_err *err)
{
	struct kinds k = { a->api->registry, a->api->master, a->api->guard, { NULL }, { NULL } };
	json_auto_t *in = json_pack("{s:s%}", "text", text.ptr, text.len);
	json_t *spec;

	if (id == NULL || !kind_id_valid(id))
		return ssf_fail(err, SSF_E_MALFORMED, "a rule file needs ?id= with a valid id");
	if (in == NULL)
		return ssf_fail(err, SSF_E_MALFORMED, "not UTF-8");
	if (kind_check(&k, KIND_RULES, id, in, &spec, err) < 0)
		return -1;
	return add_checked(a, KIND_RULES, id, spec, err);
}

static int parse(struct apply *a, struct ssf_err *err)
{
	ssf_auto_free char *text = ssf_str_dup(http_body(a->req));
	struct ssf_str view = { text, http_body(a->req).len };
	json_auto_t *body = NULL, *single = NULL;
	const json_t *list;

	if (text == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "request");
	ssf_json_strip_comments(text, view.len);
	if (ssf_json_parse(view, &limits, &body, err) < 0)
		return -1;
	if (json_object_get(body, "hrl") != NULL)
		return check_rules_file(a, http_body(a->req), http_query(a->req, "id"), err);
	if (json_is_array(body))
		list = body;
	else if (json_object_get(body, "resources") != NULL)
		list = json_object_get(body, "resources");
	else
		list = single = json_pack("[O]", body);
	if (!json_is_array(list) || json_array_size(list) == 0 || json_array_size(list) > RESOURCES_MAX)
		return ssf_fail(err, SSF_E_MALFORMED, "resources: must be an array of 1 to %d",
				RESOURCES_MAX);
	return check_all(a, view, list, json_is_array(body) ? "" : "/resources", single == NULL, err);
}

void api_apply(const struct call *c)
{
	struct apply *a = calloc(1, sizeof(*a));
	struct ssf_err err;

	if (a == NULL || (a->batch = json_array()) == NULL) {
		free(a);
		ssf_fail(&err, SSF_E_NOMEM, "request");
		http_reply_error(c->req, 0, &err);
		return;
	}
	a->api = c->api;
	a->req = c->req;
	a->guard = c->api->guard;
	if (parse(a, &err) < 0)
		apply_fail(a, &err);
	else
		resolve(a);
}

/* --- list, get, delete -------------------------------------------------------------------------------------- */

/* The kind in the path, or a 404. */
static bool kind_of(const struct call *c, enum kind *kind)
{
	struct ssf_err err;

	if (kind_from_name(c->arg[0], kind) == 0)
		return true;
	ssf_fail(&err, SSF_E_NOT_FOUND, "no such kind");
	http_reply_error(c->req, 0, &err);
	return false;
}

void api_list(const struct call *c)
{
	json_t *list;
	json_t *spec;
	const char *id;
	enum kind kind;

	if (!kind_of(c, &kind))
		return;
	list = json_array();
	json_object_foreach((json_t *)registry_all(c->api->registry, kind), id, spec)
		json_array_append_new(list, kind_show(kind, id, spec));
	reply_json(c->req, 200, list);
}

void api_get(const struct call *c)
{
	const json_t *spec;
	struct ssf_err err;
	enum kind kind;

	if (!kind_of(c, &kind))
		return;
	spec = registry_get(c->api->registry, kind, c->arg[1]);
	if (spec == NULL) {
		ssf_fail(&err, SSF_E_NOT_FOUND, "no such %s", kind_name(kind));
		http_reply_error(c->req, 0, &err);
		return;
	}
	reply_json(c->req, 200, kind_show(kind, c->arg[1], spec));
}

static void on_deleted(void *arg, const json_t *versions, const struct ssf_err *err)
{
	struct apply *a = arg;

	(void)versions;
	if (err != NULL) {
		apply_fail(a, err);
		return;
	}
	http_reply_json(a->req, 204, NULL);
	apply_free(a);
}

void api_delete(const struct call *c)
{
	struct apply *a;
	struct ssf_err err;
	enum kind kind;

	if (!kind_of(c, &kind))
		return;
	if (registry_get(c->api->registry, kind, c->arg[1]) == NULL) {
		ssf_fail(&err, SSF_E_NOT_FOUND, "no such %s", kind_name(kind));
		http_reply_error(c->req, 0, &err);
		return;
	}
	if (kind_check_delete(c->api->registry, kind, c->arg[1], &err) < 0) {
		http_reply_error(c->req, 0, &err);
		return;
	}
	a = calloc(1, sizeof(*a));
	if (a != NULL) {
		a->api = c->api;
		a->req = c->req;
		a->batch = json_pack("[{s:s, s:s, s:n, s:s}]", "kind", c->arg[0], "id", c->arg[1], "spec",
				     "actor", "admin");
	}
	if (a == NULL || a->batch == NULL) {
		free(a);
		ssf_fail(&err, SSF_E_NOMEM, "request");
		http_reply_error(c->req, 0, &err);
		return;
	}
	if (registry_put_start(a->api->registry, a->batch, on_deleted, a, &a->put, &err) < 0)
		apply_fail(a, &err);
}
