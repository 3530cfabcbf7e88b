/* SPDX-License-Identifier: Apache-2.0 */
/* Never shows what is sealed, and never sends a sealed header to another address than the one it was given for. */
#include "hub/api/ssf/ssf_configuration.h"

#include "hub/streams/stream.h"
#include "lib/ssf/catalog.h"
#include "lib/ssf/json.h"

#include <stdio.h>
#include <string.h>

#define EVENTS_MAX 256

/* --- showing -------------------------------------------------------------------------------------------- */

/* Every event type that a stream can request: the catalogue without control events. New reference. */
static json_t *events_supported(void)
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
static char *poll_url(const struct ssf_api *api, const char *id)
{
	char path[160];

	snprintf(path, sizeof(path), "/streams/%s/poll", id);
	return issuer_url(api->issuer, path);
}

static json_t *show_delivery(const struct ssf_api *api, const char *id, const json_t *spec)
{
	const json_t *delivery = json_object_get(spec, "delivery");
	const char *method = json_string_value(json_object_get(delivery, "method"));
	ssf_auto_free char *url = NULL;

	if (strcmp(method, STREAM_METHOD_PUSH) == 0)
		return json_pack("{s:s, s:O}", "method", method, "endpoint_url",
				 json_object_get(delivery, "endpoint_url"));
	url = poll_url(api, id);
	return url != NULL ? json_pack("{s:s, s:s}", "method", method, "endpoint_url", url) : NULL;
}

json_t *ssf_configuration_show(const struct ssf_api *api, const char *id, const json_t *spec)
{
	const json_t *client = registry_get(api->registry, KIND_CLIENT,
					    json_string_value(json_object_get(spec, "client")));
	json_t *audience = json_object_get(spec, "audience");
	json_t *requested = json_object_get(spec, "events_requested");
	json_t *delivered = json_object_get(spec, "events");
	json_t *description = json_object_get(spec, "description");
	const json_t *own_timeout = json_object_get(spec, "inactivity_timeout");
	json_int_t timeout = own_timeout != NULL ? json_integer_value(own_timeout) : api->inactivity_s;
	json_t *doc = json_pack("{s:s, s:s, s:O, s:o, s:o, s:o}", "stream_id", id, "iss", api->issuer->url,
				"aud", audience != NULL ? audience : json_object_get(client, "audience"),
				"delivery", show_delivery(api, id, spec), "events_supported",
				events_supported(), "events_delivered",
				delivered != NULL ? json_incref(delivered) : events_supported());

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

int ssf_configuration_check(const struct ssf_api *api, const char *id, const json_t *old,
			    const json_t *body, struct ssf_err *err)
{
	static const char *const settable[] = { "stream_id", "events_requested", "delivery", "description" };
	json_auto_t *current = old != NULL ? ssf_configuration_show(api, id, old) : NULL;
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)body, key, value) {
		bool known = false;
		for (size_t i = 0; i < SSF_ARRAY_SIZE(settable); i++)
			known = known || strcmp(settable[i], key) == 0;
		if (!known && (current == NULL || !json_equal(json_object_get(current, key), value)))
			return ssf_fail(err, SSF_E_MALFORMED, "%.64s: not the receiver's to set", key);
	}
	return 0;
}

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

/* Stores events_requested as it was sent, and as "events" those of them that the hub can deliver. */
static int apply_events(const json_t *body, json_t *spec, struct ssf_err *err)
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
 * The poll endpoint belongs to the hub: repeating it is fine, changing it is not. A push header that is left
 * out while the address stays the same is kept, because receivers do not see it.
 */
static int apply_delivery(const struct ssf_api *api, const char *id, const json_t *body, json_t *spec,
			  struct ssf_err *err)
{
	json_t *given = json_object_get(body, "delivery");
	json_t *old = json_object_get(spec, "delivery");
	const char *method, *header, *url = NULL;
	ssf_auto_free char *poll_endpoint = poll_url(api, id);
	json_auto_t *delivery = NULL;
	bool same_address;

	if (given != NULL && !json_is_object(given))
		return ssf_fail(err, SSF_E_MALFORMED, "delivery: must be an object");
	delivery = given != NULL ? json_copy(given) : json_pack("{s:s}", "method", STREAM_METHOD_POLL);
	if (delivery == NULL || poll_endpoint == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "stream");
	if (ssf_json_get_str(delivery, "method", &method, err) < 0 ||
	    ssf_json_opt_str(delivery, "endpoint_url", &url, err) < 0)
		return ssf_fail_prefix(err, "delivery");
	if (strcmp(method, STREAM_METHOD_POLL) == 0 && url != NULL) {
		if (strcmp(url, poll_endpoint) != 0)
			return ssf_fail(err, SSF_E_MALFORMED, "delivery: endpoint_url is the hub's for poll");
		json_object_del(delivery, "endpoint_url");
	}
	same_address = json_equal(json_object_get(old, "endpoint_url"),
				  json_object_get(delivery, "endpoint_url"));
	header = json_string_value(json_object_get(delivery, "authorization_header"));
	if (header != NULL && strcmp(header, KIND_SEALED) == 0 && !same_address)
		return ssf_fail(err, SSF_E_MALFORMED,
				"delivery: authorization_header must be given again with another address");
	if (same_address && json_object_get(delivery, "authorization_header") == NULL &&
	    json_object_get(old, "authorization_header") != NULL)
		json_object_set_new(delivery, "authorization_header", json_string(KIND_SEALED));
	return json_object_set(spec, "delivery", delivery) < 0 ?
		       ssf_fail(err, SSF_E_NOMEM, "stream") :
		       0;
}

static int apply_description(const json_t *body, json_t *spec, struct ssf_err *err)
{
	const char *description = NULL;

	if (ssf_json_opt_str(body, "description", &description, err) < 0)
		return -1;
	json_object_del(spec, "description");
	if (description == NULL)
		return 0;
	if (strlen(description) > SSF_API_TEXT_MAX)
		return ssf_fail(err, SSF_E_MALFORMED, "description: longer than %d bytes", SSF_API_TEXT_MAX);
	return json_object_set_new(spec, "description", json_string(description)) < 0 ?
		       ssf_fail(err, SSF_E_NOMEM, "stream") :
		       0;
}

int ssf_configuration_apply(const struct ssf_api *api, const char *id, const json_t *body, bool replace,
			    json_t *spec, struct ssf_err *err)
{
	if ((replace || json_object_get(body, "events_requested") != NULL) &&
	    apply_events(body, spec, err) < 0)
		return -1;
	if ((replace || json_object_get(body, "delivery") != NULL) &&
	    apply_delivery(api, id, body, spec, err) < 0)
		return -1;
	if ((replace || json_object_get(body, "description") != NULL) &&
	    apply_description(body, spec, err) < 0)
		return -1;
	return 0;
}
