/* SPDX-License-Identifier: Apache-2.0 */
/* A write goes on when its client goes away: it cannot be taken back. */
#include "hub/api/admin/admin_resources.h"

#include "hub/api/if_match.h"
#include "hub/api/reply.h"
#include "hub/registry/resource_batch.h"
#include "lib/http/http_error.h"
#include "lib/kit/log.h"

/* --- apply ------------------------------------------------------------------------------------------------- */

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

static int apply(const struct admin_api *api, const struct api_request *r, struct ssf_err *err)
{
	struct resource_txn *txn = resource_writer_begin(api->writer, "admin");
	struct ssf_diagnostic why;

	if (txn == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "request");
	if (resource_batch_parse(&api->check, http_body(r->http), http_query(r->http, "id"), txn, &why) < 0) {
		resource_writer_discard(txn);
		return ssf_diagnostic_err(&why, err);
	}
	return resource_writer_commit(txn, on_applied, r->http, err);
}

void admin_resources_apply(const struct admin_api *api, const struct api_request *r)
{
	struct ssf_err err;

	if (apply(api, r, &err) < 0)
		http_reply_error(r->http, 0, &err);
}

/* --- list and get ------------------------------------------------------------------------------------------- */

/* In the form that apply accepts; new reference, or NULL. */
static json_t *show(const struct admin_api *api, enum kind kind, const char *id, const json_t *spec)
{
	json_t *shown = resource_show(kind, id, spec);

	if (shown != NULL &&
	    json_object_set_new(shown, "version", json_integer(registry_version(api->registry, kind, id))) < 0) {
		json_decref(shown);
		return NULL;
	}
	return shown;
}

static json_t *show_all(const struct admin_api *api, enum kind kind)
{
	json_t *list = json_array();
	const char *id;
	json_t *spec;

	json_object_foreach((json_t *)registry_all(api->registry, kind), id, spec) {
		if (json_array_append_new(list, show(api, kind, id, spec)) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

void admin_resources_list(const struct admin_api *api, const struct api_request *r)
{
	struct ssf_err err;
	enum kind kind;

	if (kind_find(r->part[0], true, &kind) < 0) {
		ssf_fail(&err, SSF_E_NOT_FOUND, "no such kind");
		http_reply_error(r->http, 0, &err);
		return;
	}
	reply_json(r->http, 200, show_all(api, kind));
}

/* The resource that the path names. */
static int find_resource(const struct admin_api *api, const struct api_request *r, enum kind *kind,
			 const json_t **spec, struct ssf_err *err)
{
	if (kind_find(r->part[0], true, kind) < 0)
		return ssf_fail(err, SSF_E_NOT_FOUND, "no such kind");
	*spec = registry_get(api->registry, *kind, r->part[1]);
	return *spec != NULL ? 0 : ssf_fail(err, SSF_E_NOT_FOUND, "no such %s", kind_name(*kind));
}

void admin_resources_get(const struct admin_api *api, const struct api_request *r)
{
	const json_t *spec;
	struct ssf_err err;
	enum kind kind;

	if (find_resource(api, r, &kind, &spec, &err) < 0)
		http_reply_error(r->http, 0, &err);
	else
		reply_versioned(r->http, 200, show(api, kind, r->part[1], spec),
				registry_version(api->registry, kind, r->part[1]));
}

/* --- delete ------------------------------------------------------------------------------------------------- */

static void on_deleted(void *arg, const json_t *versions, const struct ssf_err *err)
{
	struct http_req *req = arg;

	(void)versions;
	if (err != NULL)
		http_reply_error(req, 0, err);
	else
		http_reply_json(req, 204, NULL);
}

static int delete(const struct admin_api *api, const struct api_request *r, struct ssf_err *err)
{
	struct resource_condition condition = { 0 };
	const char *id = r->part[1];
	struct resource_txn *txn;
	const json_t *spec;
	enum kind kind;

	if (find_resource(api, r, &kind, &spec, err) < 0 ||
	    if_match_check(r->http, registry_version(api->registry, kind, id), &condition, err) < 0 ||
	    resource_check_delete(api->registry, kind, id, err) < 0)
		return -1;
	txn = resource_writer_begin(api->writer, "admin");
	if (txn == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "request");
	if (resource_writer_add(txn, kind, id, NULL, condition, err) < 0) {
		resource_writer_discard(txn);
		return -1;
	}
	return resource_writer_commit(txn, on_deleted, r->http, err);
}

void admin_resources_delete(const struct admin_api *api, const struct api_request *r)
{
	struct ssf_err err;

	if (delete(api, r, &err) < 0)
		http_reply_error(r->http, 0, &err);
}
