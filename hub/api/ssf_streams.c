/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stream configuration by receivers: create, read, update, replace, delete (SSF 1.0 section
 * 8.1.1). A stream is a resource like those that an operator applies, and belongs to the client
 * that made it. Order of checks: who, the body, whose stream, its members.
 */
#include "hub/api/ssf.h"

#include "hub/api/kinds.h"
#include "hub/api/version.h"
#include "hub/streams/stream.h"
#include "lib/http/http_error.h"
#include "lib/kit/log.h"
#include "lib/ssf/base64url.h"
#include "lib/ssf/catalog.h"

#include <openssl/rand.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EVENTS_MAX 256
#define STREAM_ID_BYTES 16

static const struct ssf_json_limits limits = { 64 * 1024, 16 };

/* --- documents ------------------------------------------------------------------------------------------ */

int ssf_api_body(const struct call *c, json_t **out, struct ssf_err *err)
{
	json_auto_t *body = NULL;

	if (ssf_json_parse(http_body(c->req), &limits, &body, err) < 0) {
		if (err->code == SSF_E_LIMIT && http_body(c->req).len <= limits.max_bytes)
			err->code = SSF_E_MALFORMED; /* what is in it is too much, not the whole */
		return -1;
	}
	if (!json_is_object(body))
		return ssf_fail(err, SSF_E_MALFORMED, "the body must be an object");
	*out = json_incref(body);
	return 0;
}

static const json_t *own_stream(const struct call *c, const char *id)
{
	const json_t *spec = registry_get(c->api->registry, KIND_STREAM, id);
	const char *client = json_string_value(json_object_get(spec, "client"));

	return client != NULL && strcmp(client, c->caller.client) == 0 ? spec : NULL;
}

void ssf_api_active(const struct api *api, const char *id)
{
	const char *params[] = { id };

	if (owner_acts(api->owner, owner_shard(id)))
		deliver_active(api->deliver, id);
	else if (db_exec(api->db, STMT_stream_active, params, NULL, NULL, NULL, NULL) < 0)
		log_debug("ssf.active.lost", log_str("stream", id)); /* a request less that counts */
}

int ssf_api_stream(const struct call *c, const json_t *body, const char **id, const json_t **spec,
		   struct ssf_err *err)
{
	if (ssf_json_get_str(body, "stream_id", id, err) < 0)
		return -1;
	*spec = own_stream(c, *id);
	if (*spec == NULL)
		return ssf_fail(err, SSF_E_NOT_FOUND, "no such stream");
	ssf_api_active(c->api, *id);
	return 0;
}

json_t *ssf_api_events_supported(void)
{
	json_t *list = json_array();
	size_t count;
	const struct ssf_event_type *types = ssf_event_types(&count);

	for (size_t i = 0; i < count; i++) {
		if (!types[i].control)
			json_array_append_new(list, json_string(types[i].uri));
	}
	return list;
}

/* NULL when out of memory; the caller frees it. */
static char *poll_url(const struct api *api, const char *id)
{
	char path[160];

	snprintf(path, sizeof(path), "/streams/%s/poll", id);
	return issuer_url(&api->issuer, path);
}

static json_t *delivery_document(const struct api *api, const char *id, const json_t *spec)
{
	const json_t *delivery = json_object_get(spec, "delivery");
	const char *method = json_string_value(json_object_get(delivery, "method"));
	ssf_auto_free char *url = NULL;

	if (strcmp(method, STREAM_METHOD_PUSH) == 0)
		return json_pack("{s:s, s:O}", "method", method, "endpoint_url",
				 json_object_get(delivery, "endpoint_url"));
	url = poll_url(api, id);
	return json_pack("{s:s, s:s}", "method", method, "endpoint_url", url != NULL ? url : "");
}

json_t *ssf_api_configuration(const struct api *api, const char *id, const json_t *spec)
{
	const json_t *client = registry_get(api->registry, KIND_CLIENT,
					    json_string_value(json_object_get(spec, "client")));
	json_t *audience = json_object_get(spec, "audience");
	json_t *requested = json_object_get(spec, "events_requested");
	json_t *delivered = json_object_get(spec, "events");
	json_t *description = json_object_get(spec, "description");
	const json_t *own = json_object_get(spec, "inactivity_timeout");
	json_int_t timeout = own != NULL ? json_integer_value(own) : api->inactivity_s;
	json_t *doc = json_pack(
		"{s:s, s:s, s:O, s:o, s:o, s:o}", "stream_id", id, "iss", api->issuer.url, "aud",
		audience != NULL ? audience : json_object_get(client, "audience"), "delivery",
		delivery_document(api, id, spec), "events_supported", ssf_api_events_supported(),
		"events_delivered",
		delivered != NULL ? json_incref(delivered) : ssf_api_events_supported());

	if (requested != NULL)
		json_object_set(doc, "events_requested", requested);
	if (description != NULL)
		json_object_set(doc, "description", description);
	if (timeout > 0)
		json_object_set_new(doc, "inactivity_timeout", json_integer(timeout));
	if (api->verify_interval_s > 0)
		json_object_set_new(doc, "min_verification_interval", json_integer(api->verify_interval_s));
	return doc;
}

/* --- what a receiver may set ---------------------------------------------------------------------------- */

static bool contains(const json_t *list, const json_t *value)
{
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item) {
		if (json_equal(item, value))
			return true;
	}
	return false;
}

/* events_requested as it was sent, and as "events" what of it we can deliver. */
static int take_events(const json_t *body, json_t *spec, struct ssf_err *err)
{
	const json_t *requested, *type;
	json_auto_t *delivered = json_array();
	size_t i;

	if (ssf_json_opt_strings(body, "events_requested", EVENTS_MAX, &requested, err) < 0)
		return -1;
	json_object_del(spec, "events");
	json_object_del(spec, "events_requested");
	if (requested == NULL)
		return 0;
	json_array_foreach(requested, i, type) {
		const struct ssf_event_type *known = ssf_event_by_uri(json_string_value(type));
		if (known != NULL && !known->control && !contains(delivered, type))
			json_array_append(delivered, (json_t *)type);
	}
	if (json_object_set(spec, "events_requested", (json_t *)requested) < 0 ||
	    json_object_set(spec, "events", delivered) < 0)
		return ssf_fail(err, SSF_E_NOMEM, "stream");
	return 0;
}

/*
 * delivery as the receiver gives it. For poll the endpoint is ours: repeating it is fine, changing
 * it is not. A push header that is left out while the address stays the same is kept: we do not show it.
 */
static int take_delivery(const struct api *api, const char *id, const json_t *body, json_t *spec,
			 struct ssf_err *err)
{
	json_t *given = json_object_get(body, "delivery");
	json_t *old = json_object_get(spec, "delivery");
	const char *method, *header, *url = NULL;
	ssf_auto_free char *ours = poll_url(api, id);
	bool same;
	json_auto_t *delivery = NULL;

	if (given == NULL)
		delivery = json_pack("{s:s}", "method", STREAM_METHOD_POLL);
	else if (!json_is_object(given))
		return ssf_fail(err, SSF_E_MALFORMED, "delivery: must be an object");
	else
		delivery = json_copy(given);
	if (ssf_json_get_str(delivery, "method", &method, err) < 0 ||
	    ssf_json_opt_str(delivery, "endpoint_url", &url, err) < 0)
		return ssf_fail_prefix(err, "delivery");
	if (strcmp(method, STREAM_METHOD_POLL) == 0 && url != NULL) {
		if (ours == NULL || strcmp(url, ours) != 0)
			return ssf_fail(err, SSF_E_MALFORMED, "delivery: endpoint_url is ours for poll");
		json_object_del(delivery, "endpoint_url");
	}
	same = json_equal(json_object_get(old, "endpoint_url"), json_object_get(delivery, "endpoint_url"));
	header = json_string_value(json_object_get(delivery, "authorization_header"));
	/* a secret goes nowhere but where it was meant for */
	if (header != NULL && strcmp(header, KIND_SEALED) == 0 && !same)
		return ssf_fail(err, SSF_E_MALFORMED,
				"delivery: authorization_header has to be given anew with another address");
	if (same && json_object_get(delivery, "authorization_header") == NULL &&
	    json_object_get(old, "authorization_header") != NULL)
		json_object_set_new(delivery, "authorization_header", json_string(KIND_SEALED));
	return json_object_set(spec, "delivery", delivery) < 0 ?
		       ssf_fail(err, SSF_E_NOMEM, "stream") :
		       0;
}

static int take_description(const json_t *body, json_t *spec, struct ssf_err *err)
{
	const char *description = NULL;

	if (ssf_json_opt_str(body, "description", &description, err) < 0)
		return -1;
	json_object_del(spec, "description");
	if (description == NULL)
		return 0;
	if (strlen(description) > SSF_STREAM_TEXT_MAX)
		return ssf_fail(err, SSF_E_MALFORMED, "description: longer than %d bytes",
				SSF_STREAM_TEXT_MAX);
	return json_object_set_new(spec, "description", json_string(description)) < 0 ?
		       ssf_fail(err, SSF_E_NOMEM, "stream") :
		       0;
}

/* Only these come from a receiver; of ours, those that it repeats have to be as they are. */
static int check_members(const struct call *c, const char *id, const json_t *old, const json_t *body,
			 struct ssf_err *err)
{
	static const char *const theirs[] = { "stream_id", "events_requested", "delivery",
					      "description", NULL };
	json_auto_t *doc = old != NULL ? ssf_api_configuration(c->api, id, old) : NULL;
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)body, key, value) {
		bool own = false;
		for (size_t i = 0; theirs[i] != NULL; i++)
			own = own || strcmp(theirs[i], key) == 0;
		if (own)
			continue;
		if (doc == NULL || !json_equal(json_object_get(doc, key), value))
			return ssf_fail(err, SSF_E_MALFORMED, "%.64s: not the receiver's to set", key);
	}
	return 0;
}

/* --- storing ---------------------------------------------------------------------------------------------- */

/* A request that waits for its stream to be stored. */
struct change {
	struct api *api;
	struct http_req *req;
	char id[136];
	int status; /* of success */
	ssf_document_f *document;
};

static void on_changed(void *arg, const json_t *versions, const struct ssf_err *err)
{
	struct change *ch = arg;
	const json_t *spec = registry_get(ch->api->registry, KIND_STREAM, ch->id);

	(void)versions;
	if (err != NULL) /* SSF_E_CONFLICT: another change came first, the receiver reads and decides again */
		http_reply_error(ch->req, 0, err);
	else if (ch->status == 204 || spec == NULL)
		http_reply_json(ch->req, 204, NULL);
	else
		version_reply(ch->req, ch->status, ch->document(ch->api, ch->id, spec),
			      registry_version(ch->api->registry, KIND_STREAM, ch->id));
	if (err == NULL)
		log_info("ssf.stream.changed", log_str("stream", ch->id), log_int("status", ch->status));
	free(ch);
}

int ssf_api_store(const struct call *c, const char *id, json_t *spec, struct put_limits limit,
		  int status, ssf_document_f *document, struct ssf_err *err)
{
	struct change *ch = calloc(1, sizeof(*ch));
	char actor[160];
	struct put *put;

	snprintf(actor, sizeof(actor), "client:%s", c->caller.client);
	put = put_new(c->api, actor);
	if (ch == NULL || put == NULL) {
		json_decref(spec);
		put_free(put);
		free(ch);
		return ssf_fail(err, SSF_E_NOMEM, "stream");
	}
	*ch = (struct change){ .api = c->api, .req = c->req, .status = status, .document = document };
	snprintf(ch->id, sizeof(ch->id), "%s", id);
	if (put_add(put, KIND_STREAM, id, spec, limit, err) < 0) {
		put_free(put);
		free(ch);
		return -1;
	}
	if (put_start(put, on_changed, ch, err) < 0) {
		free(ch);
		return -1;
	}
	return 0;
}

/* What all of create, update and replace end with: the kind's own checks, and the store. */
static int store(const struct call *c, const char *id, json_t *resource, struct put_limits limit,
		 int status, struct ssf_err *err)
{
	struct kinds k = { c->api->registry, c->api->master, c->api->guard, { NULL }, { NULL } };
	json_t *spec;

	if (kind_check(&k, KIND_STREAM, id, resource, &spec, err) < 0)
		return -1;
	return ssf_api_store(c, id, spec, limit, status, ssf_api_configuration, err);
}

/* --- create ------------------------------------------------------------------------------------------------- */

static size_t streams_of(const struct call *c)
{
	size_t n = 0;
	const char *id;
	json_t *spec;

	json_object_foreach((json_t *)registry_all(c->api->registry, KIND_STREAM), id, spec)
		n += own_stream(c, id) != NULL;
	return n;
}

static int new_id(char out[64], struct ssf_err *err)
{
	uint8_t bytes[STREAM_ID_BYTES];

	if (RAND_bytes(bytes, sizeof(bytes)) != 1)
		return ssf_fail(err, SSF_E_INTERNAL, "no randomness");
	ssf_hex(bytes, sizeof(bytes), out);
	return 0;
}

static int create(const struct call *c, struct ssf_err *err)
{
	json_auto_t *body = NULL, *spec = NULL;
	char id[64];

	if (ssf_api_body(c, &body, err) < 0 || new_id(id, err) < 0)
		return -1;
	if (json_object_get(body, "stream_id") != NULL)
		return ssf_fail(err, SSF_E_MALFORMED, "stream_id: not the receiver's to set");
	spec = json_pack("{s:s, s:s}", "client", c->caller.client, "default_subjects",
			 c->api->default_all ? "ALL" : "NONE");
	if (check_members(c, id, NULL, body, err) < 0 || take_events(body, spec, err) < 0 ||
	    take_delivery(c->api, id, body, spec, err) < 0 || take_description(body, spec, err) < 0)
		return -1;
	if (streams_of(c) >= (size_t)c->api->max_streams)
		return ssf_fail(err, SSF_E_CONFLICT, "this client has all the streams it may have");
	return store(c, id, spec, (struct put_limits){ .most = c->api->max_streams }, 201, err);
}

void api_ssf_create(const struct call *c)
{
	struct ssf_err err;

	if (create(c, &err) < 0)
		http_reply_error(c->req, 0, &err);
}

/* --- read --------------------------------------------------------------------------------------------------- */

static json_t *all_of_client(const struct call *c)
{
	json_t *list = json_array();
	const char *id;
	json_t *spec;

	json_object_foreach((json_t *)registry_all(c->api->registry, KIND_STREAM), id, spec) {
		if (own_stream(c, id) == NULL)
			continue;
		ssf_api_active(c->api, id);
		json_array_append_new(list, ssf_api_configuration(c->api, id, spec));
	}
	return list;
}

void api_ssf_read(const struct call *c)
{
	const char *id = http_query(c->req, "stream_id");
	const json_t *spec;
	struct ssf_err err;

	if (id == NULL) {
		reply_json(c->req, 200, all_of_client(c));
		return;
	}
	spec = own_stream(c, id);
	if (spec != NULL) {
		ssf_api_active(c->api, id);
		version_reply(c->req, 200, ssf_api_configuration(c->api, id, spec),
			      registry_version(c->api->registry, KIND_STREAM, id));
		return;
	}
	ssf_fail(&err, SSF_E_NOT_FOUND, "no such stream");
	http_reply_error(c->req, 0, &err);
}

/* --- update and replace ----------------------------------------------------------------------------------------- */

/* replace: what the body leaves out is deleted; otherwise it stays. */
static int change(const struct call *c, bool replace, struct ssf_err *err)
{
	json_auto_t *body = NULL, *shown = NULL, *resource = NULL;
	struct put_limits limit = { .check = PUT_VERSION };
	const json_t *old;
	const char *id;

	if (ssf_api_body(c, &body, err) < 0 || ssf_api_stream(c, body, &id, &old, err) < 0)
		return -1;
	limit.version = registry_version(c->api->registry, KIND_STREAM, id);
	if (version_check(c->req, limit.version, &limit, err) < 0 ||
	    check_members(c, id, old, body, err) < 0)
		return -1;
	/* as it is shown: sealed secrets are marked to stay */
	shown = kind_show(KIND_STREAM, id, old);
	resource = shown != NULL ? json_copy(shown) : NULL;
	if (resource == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "stream");
	if ((replace || json_object_get(body, "events_requested") != NULL) &&
	    take_events(body, resource, err) < 0)
		return -1;
	if ((replace || json_object_get(body, "delivery") != NULL) &&
	    take_delivery(c->api, id, body, resource, err) < 0)
		return -1;
	if ((replace || json_object_get(body, "description") != NULL) &&
	    take_description(body, resource, err) < 0)
		return -1;
	return store(c, id, resource, limit, 200, err);
}

void api_ssf_update(const struct call *c)
{
	struct ssf_err err;

	if (change(c, false, &err) < 0)
		http_reply_error(c->req, 0, &err);
}

void api_ssf_replace(const struct call *c)
{
	struct ssf_err err;

	if (change(c, true, &err) < 0)
		http_reply_error(c->req, 0, &err);
}

/* --- delete -------------------------------------------------------------------------------------------------- */

void api_ssf_delete(const struct call *c)
{
	const char *id = http_query(c->req, "stream_id");
	struct put_limits limit = { 0 };
	struct ssf_err err;
	int r;

	if (id == NULL)
		r = ssf_fail(&err, SSF_E_MALFORMED, "stream_id: say which");
	else if (own_stream(c, id) == NULL)
		r = ssf_fail(&err, SSF_E_NOT_FOUND, "no such stream");
	else
		r = version_check(c->req, registry_version(c->api->registry, KIND_STREAM, id), &limit, &err);
	if (r == 0)
		r = ssf_api_store(c, id, NULL, limit, 204, ssf_api_configuration, &err);
	if (r < 0)
		http_reply_error(c->req, 0, &err);
}
