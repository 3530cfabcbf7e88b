/* SPDX-License-Identifier: Apache-2.0 */
/* Must never tell whether a stream of another client exists. */
#include "hub/api/ssf/client_stream.h"

#include "lib/ssf/json.h"

#include <string.h>

const json_t *client_stream_find(const struct registry *registry, const char *client, const char *id)
{
	const json_t *spec = registry_get(registry, KIND_STREAM, id);
	const char *owner = json_string_value(json_object_get(spec, "client"));

	return owner != NULL && strcmp(owner, client) == 0 ? spec : NULL;
}

int client_stream_of(const struct registry *registry, struct stream_activity *activity,
		     const struct api_request *r, const json_t *body, const char **id,
		     const json_t **spec, struct ssf_err *err)
{
	if (body != NULL) {
		if (ssf_json_get_str(body, "stream_id", id, err) < 0)
			return -1;
	} else if ((*id = http_query(r->http, "stream_id")) == NULL) {
		return ssf_fail(err, SSF_E_MALFORMED, "stream_id: missing");
	}
	*spec = client_stream_find(registry, r->caller.client, *id);
	if (*spec == NULL)
		return ssf_fail(err, SSF_E_NOT_FOUND, "no such stream");
	stream_activity_note(activity, *id);
	return 0;
}
