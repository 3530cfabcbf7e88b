/* SPDX-License-Identifier: Apache-2.0 */
/* Everything here is public. */
#include "hub/api/ssf/ssf_metadata.h"

#include "hub/api/reply.h"
#include "hub/streams/stream.h"
#include "lib/http/http_error.h"
#include "lib/ssf/attr.h"

#include <stdio.h>
#include <stdlib.h>

void ssf_metadata_get(const struct ssf_api *api, const struct api_request *r)
{
	static const char *const endpoints[][2] = {
		{ "jwks_uri", SSF_METADATA_JWKS },
		{ "configuration_endpoint", "/ssf/streams" },
		{ "status_endpoint", "/ssf/status" },
		{ "verification_endpoint", "/ssf/verify" },
		{ "add_subject_endpoint", "/ssf/subjects:add" },
		{ "remove_subject_endpoint", "/ssf/subjects:remove" },
	};
	json_t *doc = json_pack("{s:s, s:s, s:[s, s], s:[{s:s}, {s:s}], s:s, s:O*}", "spec_version", "1_0",
				"issuer", api->issuer->url, "delivery_methods_supported",
				STREAM_METHOD_PUSH, STREAM_METHOD_POLL, "authorization_schemes",
				"spec_urn", "urn:ietf:rfc:6749", "spec_urn", "urn:ietf:rfc:6750",
				"default_subjects", api->default_all ? "ALL" : "NONE",
				"critical_subject_members", api->critical_members);

	for (size_t i = 0; i < SSF_ARRAY_SIZE(endpoints); i++) {
		if (issuer_put_url(doc, endpoints[i][0], api->issuer, endpoints[i][1]) < 0) {
			json_decref(doc);
			doc = NULL;
		}
	}
	reply_json(r->http, 200, doc);
}

/*
 * Receivers may cache the keys for less than the time that a next key is published ahead, so that all of
 * them know it when it signs.
 */
void ssf_metadata_jwks(const struct ssf_api *api, const struct api_request *r)
{
	json_auto_t *keys = keyring_jwks(api->keyring);
	ssf_auto_free char *text = keys != NULL ? json_dumps(keys, JSON_COMPACT) : NULL;
	char age[64];
	struct http_answer a = { .status = 200,
				 .content_type = "application/json",
				 .body = ssf_str_c(text),
				 .headers = { { "Cache-Control", age } } };
	struct ssf_err err;

	if (text == NULL) {
		ssf_fail(&err, SSF_E_NOMEM, "keys");
		http_reply_error(r->http, 0, &err);
		return;
	}
	snprintf(age, sizeof(age), "public, max-age=%lld",
		 (long long)keyring_jwks_max_age_s(api->keyring));
	http_reply(r->http, &a);
}
