/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request is a machine:
 *
 *   route -> [handshake] -> [keys ->] authenticate -> map -> append -> answer
 *
 * A raw secret is inside the request's body and nowhere else.
 */
#include "hub/ingest/source_request.h"

#include "hub/enrich/leak_report.h"
#include "hub/secrets/source_credentials.h"
#include "lib/http/http_error.h"
#include "lib/kit/log.h"
#include "lib/kit/uuid.h"
#include "transmitters/adapter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPLY_MAX (1024 * 1024)

struct source_request {
	struct ingest *in;
	struct http_req *req;
	const struct source_adapter *adapter;
	const struct adapter_route *route;
	struct adapter_request view; /* of req, for the adapter */
	struct adapter_reply reply;
	char *id;                    /* of the source */
	char *origin;                /* "source:ID" */
	json_t *spec;
	struct signal_list signals;
	bool *known;                 /* by signal: the registry has its credential */
	bool needs_lookup;           /* any of the signals does */
	struct source_keys_get *keys;
	struct batch_append *append;
};

/* The label of each adapter in the metrics. */
static const enum label_source labels[ADAPTER_COUNT] = {
#define ADAPTER(id, type) [ADAPTER_ID_##id] = LABEL_source_##id,
#include "transmitters/adapters.def"
#undef ADAPTER
};

static enum label_source label_of(const struct source_request *s)
{
	return labels[adapter_index(s->adapter->type)];
}

static void request_free(struct source_request *s)
{
	signal_list_done(&s->signals);
	ssf_buf_done(&s->reply.body);
	free(s->known);
	json_decref(s->spec);
	free(s->origin);
	free(s->id);
	free(s);
}

static void refuse_request(struct source_request *s, const struct ssf_err *err)
{
	ingest_count(label_of(s), NULL, err);
	log_warn("ingest.refused", log_str("source", s->id), log_why(err),
		 log_str("peer", http_peer(s->req)));
	http_reply_error(s->req, 0, err);
	request_free(s);
}

/* With the adapter's own reply. */
static void send_reply(struct source_request *s)
{
	struct http_answer answer = { .status = s->reply.status,
				      .content_type = s->reply.content_type,
				      .body = ssf_buf_str(&s->reply.body),
				      .headers = { { "Cache-Control", "no-store" } } };

	if (answer.content_type == NULL && answer.body.len > 0)
		answer.content_type = "application/json";
	http_reply(s->req, &answer);
}

/* --- append and answer --------------------------------------------------------------------- */

static void on_appended(void *arg, const struct batch_result *first, const struct ssf_err *err)
{
	struct source_request *s = arg;
	struct ssf_err why;
	char body[80];

	s->append = NULL;
	if (err != NULL) {
		refuse_request(s, err);
		return;
	}
	ingest_count(label_of(s), first, NULL);
	log_info("ingest.accepted", log_str("source", s->id), log_str("txn", first->txn),
		 log_int("seq", first->seq), log_str("new", first->appended ? "yes" : "no"));
	if (s->needs_lookup && first->appended)
		attribution_wake(s->in->attribution);
	if (s->adapter->answer != NULL &&
	    s->adapter->answer(s->spec, &s->signals, s->known, &s->reply, &why) < 0) {
		http_reply_error(s->req, 0, &why);
	} else if (s->reply.status != 0) {
		send_reply(s);
	} else {
		snprintf(body, sizeof(body), "{\"txn\":\"%s\"}", first->txn);
		http_reply_json(s->req, 202, body);
	}
	request_free(s);
}

/* A signal with a fingerprint is attributed here; others go as they are. */
static int add_signal(struct source_request *s, size_t i, const uint8_t *evidence,
		      struct drafts *drafts, struct ssf_err *err)
{
	const struct signal *signal = &s->signals.items[i];
	char txn[UUID_LEN], trace[SSF_TRACEPARENT_LEN];

	uuid_make(txn);
	struct draft d = {
		.origin = s->origin,
		.origin_id = signal->id,
		.type = signal->type,
		.txn = txn,
		.body = signal->detail,
		.evidence = evidence,
		.lookup = signal->needs_lookup,
		.trace = ingest_trace(s->req, trace),
	};
	s->needs_lookup = s->needs_lookup || signal->needs_lookup;
	if (signal->has_fingerprint)
		return leak_report_add(drafts, &d, s->in->registry, signal->detail,
				       signal->fingerprint, NULL, &s->known[i], err);
	return draft_add(drafts, &d, err);
}

static void append_signals(struct source_request *s)
{
	ssf_auto(drafts) drafts = drafts_new();
	uint8_t evidence[SSF_SHA256_LEN];
	struct ssf_err err;
	int r = 0;

	if (s->signals.count == 0) { /* nothing to store, e.g. an empty report */
		ingest_count(label_of(s), NULL, NULL);
		if (s->reply.status != 0)
			send_reply(s);
		else
			http_reply_json(s->req, 202, NULL);
		request_free(s);
		return;
	}
	ssf_sha256(s->view.body, evidence);
	s->known = calloc(s->signals.count, sizeof(*s->known));
	if (drafts == NULL || s->known == NULL)
		r = ssf_fail(&err, SSF_E_NOMEM, "signals");
	for (size_t i = 0; r == 0 && i < s->signals.count; i++)
		r = add_signal(s, i, evidence, drafts, &err);
	if (r < 0 ||
	    batch_append_start(s->in->batch, drafts, on_appended, s, &s->append, &err) < 0)
		refuse_request(s, &err);
}

/* --- keys, authenticate and map ------------------------------------------------------------ */

/* Before the append nothing has happened that the sender would have to know of. */
static void on_client_gone(void *arg)
{
	struct source_request *s = arg;
	struct ssf_err err;

	source_keys_get_cancel(s->keys);
	ssf_fail(&err, SSF_E_UNAVAILABLE, "the client has gone");
	refuse_request(s, &err);
}

/* keys: NULL unless the adapter has declared some. */
static int authenticate(struct source_request *s, const void *keys, struct ssf_err *err)
{
	source_credentials_auto credentials = { .view = { .spec = NULL } };

	if (source_credentials_open(s->in->master, s->adapter, s->id, s->spec,
				    ADAPTER_AUTHENTICATES, &credentials, err) < 0)
		return -1;
	credentials.view.keys = keys;
	return s->adapter->authenticate(&s->view, &credentials.view, err);
}

static void on_keys(void *arg, const void *keys, const struct ssf_err *err)
{
	struct source_request *s = arg;
	struct ssf_err why;

	s->keys = NULL;
	http_on_cancel(s->req, NULL, NULL); /* from here on the request runs to its end */
	if (err != NULL)
		refuse_request(s, err);
	else if (authenticate(s, keys, &why) < 0 ||
		 s->route->map(&s->view, s->spec, &s->signals, &s->reply, &why) < 0)
		refuse_request(s, &why);
	else
		append_signals(s);
}

/* --- start --------------------------------------------------------------------------------- */

static struct ssf_str view_header(const void *req, const char *name)
{
	return http_header(req, name);
}

static const char *view_query(const void *req, const char *name)
{
	return http_query(req, name);
}

static struct source_request *request_new(struct ingest *in, struct http_req *req,
					  const char *source, const char *path, const json_t *spec,
					  const struct source_adapter *adapter)
{
	struct source_request *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	*s = (struct source_request){
		.in = in,
		.req = req,
		.adapter = adapter,
		.view = { .method = http_method(req),
			  .path = path,
			  .header = view_header,
			  .query = view_query,
			  .arg = req,
			  .body = http_body(req),
			  .now = wall_now_ms() / 1000 },
		.reply = { .body = SSF_BUF(REPLY_MAX) },
		.spec = json_incref((json_t *)spec),
	};
	signal_list_init(&s->signals, BATCH_MAX);
	s->id = strdup(source);
	if (asprintf(&s->origin, "source:%s", source) < 0)
		s->origin = NULL;
	if (s->id == NULL || s->origin == NULL) {
		request_free(s);
		return NULL;
	}
	return s;
}

void source_request_start(struct ingest *in, struct http_req *req, const char *source,
			  const char *path)
{
	const json_t *spec = registry_get(in->registry, KIND_SOURCE, source);
	const struct source_adapter *adapter =
		adapter_by_type(json_string_value(json_object_get(spec, "type")));
	struct source_request *s;
	struct ssf_err err;

	if (adapter == NULL) {
		ssf_fail(&err, SSF_E_NOT_FOUND, "no such source");
		http_reply_error(req, 0, &err);
		return;
	}
	s = request_new(in, req, source, path, spec, adapter);
	if (s == NULL) {
		ssf_fail(&err, SSF_E_NOMEM, "request");
		http_reply_error(req, 0, &err);
		return;
	}
	if (adapter_find_route(adapter, s->view.method, path, &s->route, &err) < 0 ||
	    (adapter->handshake != NULL &&
	     adapter->handshake(&s->view, &s->reply, &err) < 0)) {
		refuse_request(s, &err);
	} else if (s->reply.status != 0) {
		send_reply(s);
		request_free(s);
	} else if (adapter->keys == NULL) {
		on_keys(s, NULL, NULL);
	} else if (adapter->keys->check_request(&s->view, &err) < 0 ||
		   source_keys_get_start(in->source_keys, adapter, s->spec, &s->view, on_keys, s,
					 &s->keys, &err) < 0) {
		refuse_request(s, &err);
	} else {
		http_on_cancel(req, on_client_gone, s);
	}
}
