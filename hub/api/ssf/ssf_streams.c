/* SPDX-License-Identifier: Apache-2.0 */
/* Order of checks: the body, whose stream it is, If-Match, its members. */
#include "hub/api/ssf/ssf_streams.h"

#include "hub/api/if_match.h"
#include "hub/api/reply.h"
#include "hub/api/ssf/client_stream.h"
#include "hub/api/ssf/ssf_configuration.h"
#include "hub/api/ssf/ssf_store.h"
#include "lib/http/http_error.h"
#include "lib/ssf/attr.h"
#include "lib/ssf/base64url.h"

#include <openssl/rand.h>

#define STREAM_ID_BYTES 16

/* --- create ------------------------------------------------------------------------------------------------- */

static size_t count_streams(const struct ssf_api *api, const char *client)
{
	size_t n = 0;
	const char *id;
	json_t *spec;

	json_object_foreach((json_t *)registry_all(api->registry, KIND_STREAM), id, spec)
		n += client_stream_find(api->registry, client, id) != NULL;
	return n;
}

static int create(const struct ssf_api *api, const struct api_request *r, struct ssf_err *err)
{
	json_auto_t *body = NULL, *spec = NULL;
	uint8_t bytes[STREAM_ID_BYTES];
	char id[2 * STREAM_ID_BYTES + 1];
	struct ssf_store s = { .id = id, .condition = { .max_per_client = api->max_streams },
			       .status = 201, .show = ssf_configuration_show };

	if (reply_parse_body(r->http, &body, err) < 0)
		return -1;
	if (RAND_bytes(bytes, sizeof(bytes)) != 1)
		return ssf_fail(err, SSF_E_INTERNAL, "no randomness");
	ssf_hex(bytes, sizeof(bytes), id);
	if (json_object_get(body, "stream_id") != NULL)
		return ssf_fail(err, SSF_E_MALFORMED, "stream_id: not the receiver's to set");
	spec = json_pack("{s:s, s:s}", "client", r->caller.client, "default_subjects",
			 api->default_all ? "ALL" : "NONE");
	if (spec == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "stream");
	if (ssf_configuration_check(api, id, NULL, body, err) < 0 ||
	    ssf_configuration_apply(api, id, body, true, spec, err) < 0)
		return -1;
	if (count_streams(api, r->caller.client) >= (size_t)api->max_streams)
		return ssf_fail(err, SSF_E_CONFLICT, "this client has all the streams it may have");
	s.resource = spec;
	return ssf_store_start(api, r, &s, err);
}

void ssf_streams_create(const struct ssf_api *api, const struct api_request *r)
{
	struct ssf_err err;

	if (create(api, r, &err) < 0)
		http_reply_error(r->http, 0, &err);
}

/* --- read --------------------------------------------------------------------------------------------------- */

static json_t *show_all(const struct ssf_api *api, const char *client)
{
	json_t *list = json_array();
	const char *id;
	json_t *spec;

	json_object_foreach((json_t *)registry_all(api->registry, KIND_STREAM), id, spec) {
		if (client_stream_find(api->registry, client, id) == NULL)
			continue;
		stream_activity_note(api->activity, id);
		json_array_append_new(list, ssf_configuration_show(api, id, spec));
	}
	return list;
}

void ssf_streams_read(const struct ssf_api *api, const struct api_request *r)
{
	const json_t *spec;
	const char *id;
	struct ssf_err err;

	if (http_query(r->http, "stream_id") == NULL)
		reply_json(r->http, 200, show_all(api, r->caller.client));
	else if (client_stream_of(api->registry, api->activity, r, NULL, &id, &spec, &err) < 0)
		http_reply_error(r->http, 0, &err);
	else
		reply_versioned(r->http, 200, ssf_configuration_show(api, id, spec),
				registry_version(api->registry, KIND_STREAM, id));
}

/* --- update and replace ----------------------------------------------------------------------------------------- */

static int change(const struct ssf_api *api, const struct api_request *r, bool replace,
		  struct ssf_err *err)
{
	json_auto_t *body = NULL, *shown = NULL, *resource = NULL;
	struct ssf_store s = { .condition = { .check = RESOURCE_VERSION }, .status = 200,
			       .show = ssf_configuration_show };
	const json_t *old;

	if (reply_parse_body(r->http, &body, err) < 0 ||
	    client_stream_of(api->registry, api->activity, r, body, &s.id, &old, err) < 0)
		return -1;
	s.condition.version = registry_version(api->registry, KIND_STREAM, s.id);
	if (if_match_check(r->http, s.condition.version, &s.condition, err) < 0 ||
	    ssf_configuration_check(api, s.id, old, body, err) < 0)
		return -1;
	shown = resource_show(KIND_STREAM, s.id, old); /* marks sealed secrets to be kept */
	resource = shown != NULL ? json_copy(shown) : NULL;
	if (resource == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "stream");
	if (ssf_configuration_apply(api, s.id, body, replace, resource, err) < 0)
		return -1;
	s.resource = resource;
	return ssf_store_start(api, r, &s, err);
}

void ssf_streams_update(const struct ssf_api *api, const struct api_request *r)
{
	struct ssf_err err;

	if (change(api, r, false, &err) < 0)
		http_reply_error(r->http, 0, &err);
}

void ssf_streams_replace(const struct ssf_api *api, const struct api_request *r)
{
	struct ssf_err err;

	if (change(api, r, true, &err) < 0)
		http_reply_error(r->http, 0, &err);
}

/* --- delete -------------------------------------------------------------------------------------------------- */

static int delete(const struct ssf_api *api, const struct api_request *r, struct ssf_err *err)
{
	struct ssf_store s = { .id = http_query(r->http, "stream_id"), .status = 204 };

	if (s.id == NULL)
		return ssf_fail(err, SSF_E_MALFORMED, "stream_id: missing");
	if (client_stream_find(api->registry, r->caller.client, s.id) == NULL)
		return ssf_fail(err, SSF_E_NOT_FOUND, "no such stream");
	if (if_match_check(r->http, registry_version(api->registry, KIND_STREAM, s.id), &s.condition,
			   err) < 0)
		return -1;
	return ssf_store_start(api, r, &s, err);
}

void ssf_streams_delete(const struct ssf_api *api, const struct api_request *r)
{
	struct ssf_err err;

	if (delete(api, r, &err) < 0)
		http_reply_error(r->http, 0, &err);
}
