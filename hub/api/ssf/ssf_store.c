/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request waits here for its write. When the client goes away the write goes on: it cannot be taken back,
 * and the answer goes nowhere.
 */
#include "hub/api/ssf/ssf_store.h"

#include "hub/api/reply.h"
#include "lib/http/http_error.h"
#include "lib/kit/log.h"

#include <stdio.h>
#include <stdlib.h>

struct ssf_change {
	const struct ssf_api *api;
	struct http_req *req;
	char id[KIND_ID_MAX + 1];
	int status;
	ssf_store_show_f *show;
};

static void on_stored(void *arg, const json_t *versions, const struct ssf_err *err)
{
	struct ssf_change *ch = arg;
	const json_t *spec = registry_get(ch->api->registry, KIND_STREAM, ch->id);

	(void)versions;
	if (err != NULL) /* SSF_E_CONFLICT: another change came first, the receiver reads and decides again */
		http_reply_error(ch->req, 0, err);
	else if (ch->status == 204 || spec == NULL)
		http_reply_json(ch->req, 204, NULL);
	else
		reply_versioned(ch->req, ch->status, ch->show(ch->api, ch->id, spec),
				registry_version(ch->api->registry, KIND_STREAM, ch->id));
	if (err == NULL)
		log_info("ssf.stream.changed", log_str("stream", ch->id), log_int("status", ch->status));
	free(ch);
}

int ssf_store_start(const struct ssf_api *api, const struct api_request *r, const struct ssf_store *s,
		    struct ssf_err *err)
{
	const struct ssf_json_path root = { NULL, NULL, 0 };
	const struct resource_input input = { KIND_STREAM, s->id, s->resource, &root };
	struct ssf_diagnostic why = { .line = 0 };
	struct resource_txn *txn;
	struct ssf_change *ch;
	json_t *spec = NULL;
	char actor[160];

	if (s->resource != NULL && resource_check(&api->check, NULL, &input, &spec, &why) < 0)
		return ssf_diagnostic_err(&why, err);
	snprintf(actor, sizeof(actor), "client:%s", r->caller.client);
	ch = calloc(1, sizeof(*ch));
	txn = resource_writer_begin(api->writer, actor);
	if (ch == NULL || txn == NULL) {
		json_decref(spec);
		resource_writer_discard(txn);
		free(ch);
		return ssf_fail(err, SSF_E_NOMEM, "stream");
	}
	*ch = (struct ssf_change){ .api = api, .req = r->http, .status = s->status, .show = s->show };
	snprintf(ch->id, sizeof(ch->id), "%s", s->id);
	if (resource_writer_add(txn, KIND_STREAM, s->id, spec, s->condition, err) < 0) {
		resource_writer_discard(txn);
		free(ch);
		return -1;
	}
	if (resource_writer_commit(txn, on_stored, ch, err) < 0) {
		free(ch);
		return -1;
	}
	return 0;
}
