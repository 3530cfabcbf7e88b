/* SPDX-License-Identifier: Apache-2.0 */
/* A change of the keys goes on when its client goes away: it cannot be taken back. */
#include "hub/api/admin/admin_keys.h"

#include "hub/api/reply.h"
#include "lib/http/http_error.h"
#include "lib/kit/log.h"
#include "lib/ssf/json.h"

#include <string.h>

void admin_keys_list(const struct admin_api *api, const struct api_request *r)
{
	reply_json(r->http, 200, keyring_list(api->keyring));
}

/* --- rotate ----------------------------------------------------------------------------------- */

static void on_rotated(void *arg, const json_t *keys, const struct ssf_err *err)
{
	struct http_req *req = arg;

	if (err != NULL) {
		http_reply_error(req, 0, err);
		return;
	}
	log_info("api.keys.rotated", log_int("keys", (int64_t)json_array_size(keys)),
		 log_str("peer", http_peer(req)));
	reply_json(req, 200, json_incref((json_t *)keys));
}

static int parse_rotate(const struct api_request *r, enum ssf_alg *alg, bool *now, struct ssf_err *err)
{
	json_auto_t *body = NULL;
	const char *name = NULL, *key;
	json_t *value;

	if (ssf_json_parse(http_body(r->http), &ssf_json_default, &body, err) < 0)
		return -1;
	if (!json_is_object(body))
		return ssf_fail(err, SSF_E_MALFORMED, "the body must be an object");
	json_object_foreach(body, key, value) {
		if (strcmp(key, "alg") != 0 && strcmp(key, "now") != 0)
			return ssf_fail(err, SSF_E_MALFORMED, "the members are alg and now");
	}
	if (ssf_json_opt_str(body, "alg", &name, err) < 0 || ssf_json_opt_bool(body, "now", now, err) < 0)
		return -1;
	*alg = name != NULL ? ssf_alg_from_name(ssf_str_c(name)) : SSF_ALG_NONE;
	if (name != NULL && *alg == SSF_ALG_NONE)
		return ssf_fail(err, SSF_E_MALFORMED, "alg: must be RS256 or ES256");
	return 0;
}

void admin_keys_rotate(const struct admin_api *api, const struct api_request *r)
{
	enum ssf_alg alg;
	bool now = false;
	struct ssf_err err;

	if (parse_rotate(r, &alg, &now, &err) < 0 ||
	    key_manager_rotate(api->key_manager, alg, now, on_rotated, r->http, &err) < 0)
		http_reply_error(r->http, 0, &err);
}

/* --- revoke ----------------------------------------------------------------------------------- */

static void on_revoked(void *arg, const json_t *keys, const struct ssf_err *err)
{
	struct http_req *req = arg;

	(void)keys;
	if (err != NULL) {
		http_reply_error(req, 0, err);
		return;
	}
	log_warn("api.key.revoked", log_str("kid", strrchr(http_path(req), '/') + 1),
		 log_str("peer", http_peer(req)));
	http_reply_json(req, 204, NULL);
}

void admin_keys_revoke(const struct admin_api *api, const struct api_request *r)
{
	struct ssf_err err;

	if (key_manager_revoke(api->key_manager, r->part[0], on_revoked, r->http, &err) < 0)
		http_reply_error(r->http, 0, &err);
}
