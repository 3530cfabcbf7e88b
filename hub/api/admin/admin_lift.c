/* SPDX-License-Identifier: Apache-2.0 */
/* One transaction in the database, which appends revocation.lifted. It goes on when the client goes away. */
#include "hub/api/admin/admin_lift.h"

#include "lib/http/http_error.h"
#include "lib/kit/log.h"
#include "lib/kit/uuid.h"

static void on_lifted(void *arg, const struct db_result *r, const struct ssf_err *err)
{
	struct http_req *req = arg;
	struct ssf_err why;

	if (err != NULL) {
		http_reply_error(req, 0, err);
	} else if (db_bool(r, 0, 0)) {
		log_info("api.lifted", log_str("peer", http_peer(req)));
		http_reply_json(req, 204, NULL);
	} else {
		ssf_fail(&why, SSF_E_NOT_FOUND, "nothing of the kind is revoked or suspended");
		http_reply_error(req, 0, &why);
	}
}

void admin_lift_delete(const struct admin_api *api, const struct api_request *r)
{
	char id[UUID_LEN];
	struct ssf_err err;

	uuid_make(id);
	if (db_exec_detached(api->db, STMT_revocation_lift,
			     DB_PARAMS(db_param_text(r->part[0]), db_param_text(r->part[1]),
				       db_param_text(r->part[2]), db_param_text(id)),
			     on_lifted, r->http, &err) < 0)
		http_reply_error(r->http, 0, &err);
}
