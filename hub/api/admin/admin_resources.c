/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors of apply name the line and column of what is wrong. A write goes on when its client goes away: it
 * cannot be taken back.
 */
#include "hub/api/admin/admin_resources.h"

#include "hub/api/if_match.h"
#include "hub/api/reply.h"
#include "lib/http/http_error.h"
#include "lib/kit/log.h"
#include "lib/ssf/attr.h"
#include "lib/ssf/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RESOURCES_MAX 1000

static const struct ssf_json_limits limits = { 4 * 1024 * 1024, 48 };

static void on_applied(void *arg, const json_t *versions, const struct ssf_err *err)
{
	struct http_req *req = arg;

	if (err != NULL) {
		http_reply_error(req, 0, err);
		return;
	}
	log_info("api.applied", log_int("resources", (int64_t)json_array_size(versions)),
		 log_str("peer", http_peer(req)));
	reply_json(req, 200, json_pack("{s:O}", "applied", (json_t *)versions));
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

/* The optional member "version": what has to be stored now, 0 for nothing. */
static int version_of(const struct registry *registry, enum kind kind, const char *id, const json_t *in,
		      struct resource_condition *condition, struct ssf_err *err)
{
	int64_t stored = registry_version(registry, kind, id);
	json_int_t wanted = 0;

	if (ssf_json_opt_int(in, "version", &wanted, err) < 0)
		return -1;
	if (!json_is_integer(json_object_get(in, "version")))
		return 0;
	if (wanted < 0)
		return ssf_fail(err, SSF_E_MALFORMED, "version: must be 0 or more");
	if (wanted != stored)
		return ssf_fail(err, SSF_E_CONFLICT, "version: %s %s is at %lld", kind_name(kind), id,
				(long long)stored);
	*condition = (struct resource_condition){ .check = RESOURCE_VERSION, .version = wanted };
	return 0;
}

static int check_list(struct resource_txn *txn, const json_t *list, struct kinds *k, size_t *at,
		      struct ssf_err *err)
{
	for (*at = 0; *at < json_array_size(list); (*at)++) {
		const json_t *in = json_array_get(list, *at);
		struct resource_condition condition = { 0 };
		json_t *spec;
		enum kind kind;
		const char *id;
		if (name_of(in, &kind, &id, err) < 0 ||
		    version_of(k->registry, kind, id, in, &condition, err) < 0 ||
		    kind_check(k, kind, id, in, &spec, err) < 0 ||
		    resource_writer_add(txn, kind, id, spec, condition, err) < 0)
			return -1;
	}
	return 0;
}

/* form: where in the text the list's elements are; "" when the text is one resource. */
static int check_all(const struct admin_api *api, struct resource_txn *txn, struct ssf_str text,
		     const json_t *list, const char *form, bool indexed, struct ssf_err *err)
{
	json_t *pending[KIND_COUNT];
	struct kinds k = { api->registry, api->master, api->policy, { NULL }, { NULL } };
	char base[64], member[64];
	size_t at = 0;
	int r;

	for (int i = 0; i < KIND_COUNT; i++) {
		k.pending[i] = pending[i] = json_object();
		k.claimed[i] = json_object();
	}
	r = collect(list, pending, &at, err);
	if (r == 0)
		r = check_list(txn, list, &k, &at, err);
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

static int check_rules_file(const struct admin_api *api, struct resource_txn *txn, struct ssf_str text,
			    const char *id, struct ssf_err *err)
{
	struct kinds k = { api->registry, api->master, api->policy, { NULL }, { NULL } };
	json_auto_t *in = json_pack("{s:s%}", "text", text.ptr, text.len);
	json_t *spec;

	if (id == NULL || !kind_id_valid(id))
		return ssf_fail(err, SSF_E_MALFORMED, "a rule file needs ?id= with a valid id");
	if (in == NULL)
		return ssf_fail(err, SSF_E_MALFORMED, "not UTF-8");
	if (kind_check(&k, KIND_RULES, id, in, &spec, err) < 0)
		return -1;
	return resource_writer_add(txn, KIND_RULES, id, spec, (struct resource_condition){ 0 }, err);
}

static int parse(const struct admin_api *api, const struct api_request *r, struct resource_txn *txn,
		 struct ssf_err *err)
{
	ssf_auto_free char *text = ssf_str_dup(http_body(r->http));
	struct ssf_str view = { text, http_body(r->http).len };
	json_auto_t *body = NULL, *single = NULL;
	const json_t *list;

	if (text == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "request");
	ssf_json_strip_comments(text, view.len);
	if (ssf_json_parse(view, &limits, &body, err) < 0)
		return -1;
	if (json_object_get(body, "hrl") != NULL)
		return check_rules_file(api, txn, http_body(r->http), http_query(r->http, "id"), err);
	if (json_is_array(body))
		list = body;
	else if (json_object_get(body, "resources") != NULL)
		list = json_object_get(body, "resources");
	else
		list = single = json_pack("[O]", body);
	if (!json_is_array(list) || json_array_size(list) == 0 || json_array_size(list) > RESOURCES_MAX)
		return ssf_fail(err, SSF_E_MALFORMED, "resources: must be an array of 1 to %d",
				RESOURCES_MAX);
	return check_all(api, txn, view, list, json_is_array(body) ? "" : "/resources", single == NULL, err);
}

void admin_resources_apply(const struct admin_api *api, const struct api_request *r)
{
	struct resource_txn *txn = resource_writer_begin(api->writer, "admin");
	struct ssf_err err;
	int parsed = txn != NULL ? parse(api, r, txn, &err) : ssf_fail(&err, SSF_E_NOMEM, "request");

	if (parsed < 0)
		resource_writer_discard(txn);
	if (parsed < 0 || resource_writer_commit(txn, on_applied, r->http, &err) < 0)
		http_reply_error(r->http, 0, &err);
}

/* --- list, get, delete -------------------------------------------------------------------------------------- */

/* The kind in the path, or a 404. */
static bool find_kind(const struct api_request *r, enum kind *kind)
{
	struct ssf_err err;

	if (kind_from_name(r->part[0], kind) == 0)
		return true;
	ssf_fail(&err, SSF_E_NOT_FOUND, "no such kind");
	http_reply_error(r->http, 0, &err);
	return false;
}

/* In the form that apply accepts; new reference, or NULL. */
static json_t *show(const struct admin_api *api, enum kind kind, const char *id, const json_t *spec)
{
	json_t *shown = kind_show(kind, id, spec);

	if (shown != NULL)
		json_object_set_new(shown, "version",
				    json_integer(registry_version(api->registry, kind, id)));
	return shown;
}

void admin_resources_list(const struct admin_api *api, const struct api_request *r)
{
	json_t *list;
	json_t *spec;
	const char *id;
	enum kind kind;

	if (!find_kind(r, &kind))
		return;
	list = json_array();
	json_object_foreach((json_t *)registry_all(api->registry, kind), id, spec)
		json_array_append_new(list, show(api, kind, id, spec));
	reply_json(r->http, 200, list);
}

void admin_resources_get(const struct admin_api *api, const struct api_request *r)
{
	const json_t *spec;
	struct ssf_err err;
	enum kind kind;

	if (!find_kind(r, &kind))
		return;
	spec = registry_get(api->registry, kind, r->part[1]);
	if (spec == NULL) {
		ssf_fail(&err, SSF_E_NOT_FOUND, "no such %s", kind_name(kind));
		http_reply_error(r->http, 0, &err);
		return;
	}
	reply_versioned(r->http, 200, show(api, kind, r->part[1], spec),
			registry_version(api->registry, kind, r->part[1]));
}

static void on_deleted(void *arg, const json_t *versions, const struct ssf_err *err)
{
	struct http_req *req = arg;

	(void)versions;
	if (err != NULL)
		http_reply_error(req, 0, err);
	else
		http_reply_json(req, 204, NULL);
}

static int delete_start(const struct admin_api *api, const struct api_request *r, struct ssf_err *err)
{
	struct resource_condition condition = { 0 };
	struct resource_txn *txn;
	enum kind kind;

	if (kind_from_name(r->part[0], &kind) < 0)
		return ssf_fail(err, SSF_E_NOT_FOUND, "no such kind");
	if (registry_get(api->registry, kind, r->part[1]) == NULL)
		return ssf_fail(err, SSF_E_NOT_FOUND, "no such %s", kind_name(kind));
	if (if_match_check(r->http, registry_version(api->registry, kind, r->part[1]), &condition,
			   err) < 0 ||
	    kind_check_delete(api->registry, kind, r->part[1], err) < 0)
		return -1;
	txn = resource_writer_begin(api->writer, "admin");
	if (txn == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "request");
	if (resource_writer_add(txn, kind, r->part[1], NULL, condition, err) < 0) {
		resource_writer_discard(txn);
		return -1;
	}
	return resource_writer_commit(txn, on_deleted, r->http, err);
}

void admin_resources_delete(const struct admin_api *api, const struct api_request *r)
{
	struct ssf_err err;

	if (delete_start(api, r, &err) < 0)
		http_reply_error(r->http, 0, &err);
}
