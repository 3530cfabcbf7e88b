/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /in/{source}. One request is a machine: [keys ->] verify -> map -> append -> answer.
 * The raw secret of a partner report is inside the request's body and nowhere else.
 */
#include "hub/ingest/ingest.h"

#include "hub/ingest/leak.h"
#include "hub/ingest/trace.h"
#include "lib/http/http_error.h"
#include "lib/kit/log.h"
#include "lib/kit/uuid.h"
#include "transmitters/github/partner.h"
#include "transmitters/github/webhook.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PARTNER_ID_HEADER "Github-Public-Key-Identifier"
#define PARTNER_SIGNATURE_HEADER "Github-Public-Key-Signature"

struct source_req {
	struct ingest *in;
	struct http_req *req;
	char *id;                /* of the source */
	char *origin;            /* "source:ID" */
	json_t *spec;
	bool refreshed;          /* the keys were fetched anew for this request */
	bool lookup;             /* a credential has to be asked for */
	enum label_source label;
	struct signal_list signals;
	bool *known;             /* partner: whether each token is ours */
	struct document_get *get;
	struct batch_append *append;
};

static void request_free(struct source_req *s)
{
	signal_list_done(&s->signals);
	free(s->known);
	json_decref(s->spec);
	free(s->origin);
	free(s->id);
	free(s);
}

void ingest_count(enum label_source source, const struct batch_result *first, const struct ssf_err *err)
{
	enum label_taken taken = LABEL_taken_duplicate;

	if (err != NULL)
		taken = ssf_code_info(err->code)->http_status >= 500 ? LABEL_taken_unavailable :
								       LABEL_taken_refused;
	else if (first == NULL || first->appended)
		taken = LABEL_taken_accepted;
	metric_add_of2(ingest_requests, source, taken, 1);
}

static void refuse(struct source_req *s, const struct ssf_err *err)
{
	ingest_count(s->label, NULL, err);
	log_warn("ingest.refused", log_str("source", s->id), log_why(err),
		 log_str("peer", http_peer(s->req)));
	http_reply_error(s->req, 0, err);
	request_free(s);
}

/* --- append and answer -------------------------------------------------------------------- */

static void answer_labels(struct source_req *s)
{
	ssf_auto_buf body = SSF_BUF(1024 * 1024);
	struct ssf_err err;

	if (github_partner_answer(&s->signals, s->known, &body, &err) < 0)
		http_reply_error(s->req, 0, &err);
	else
		http_reply_json(s->req, 200, body.ptr);
}

static void on_appended(void *arg, const struct batch_result *first, const struct ssf_err *err)
{
	struct source_req *s = arg;
	char body[80];

	if (err != NULL) {
		refuse(s, err);
		return;
	}
	ingest_count(s->label, first, NULL);
	log_info("ingest.accepted", log_str("source", s->id), log_str("txn", first->txn),
		 log_int("seq", first->seq), log_str("new", first->appended ? "yes" : "no"));
	if (s->lookup && first->appended)
		attributor_wake(s->in->attributor);
	if (json_is_true(json_object_get(s->spec, "labels"))) {
		answer_labels(s);
	} else {
		snprintf(body, sizeof(body), "{\"txn\":\"%s\"}", first->txn);
		http_reply_json(s->req, 202, body);
	}
	request_free(s);
}

/* A signal that is a leak goes with its attribution; others go as they are. */
static int add_signal(struct source_req *s, size_t i, const uint8_t *evidence, struct drafts *drafts,
		      struct ssf_err *err)
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
		.lookup = signal->lookup != SIGNAL_LOOKUP_NONE,
		.trace = ingest_trace(s->req, trace),
	};
	s->lookup = s->lookup || d.lookup;
	if (signal->has_fingerprint)
		return leak_add(drafts, &d, s->in->registry, signal->detail, signal->fingerprint, NULL,
				&s->known[i], err);
	return draft_add(drafts, &d, err);
}

static void append(struct source_req *s)
{
	ssf_auto(drafts) drafts = drafts_new();
	uint8_t evidence[SSF_SHA256_LEN];
	struct ssf_err err;
	int r = 0;

	ssf_sha256(http_body(s->req), evidence);
	s->known = calloc(s->signals.count + 1, sizeof(*s->known));
	if (drafts == NULL || s->known == NULL)
		r = ssf_fail(&err, SSF_E_NOMEM, "signals");
	for (size_t i = 0; r == 0 && i < s->signals.count; i++)
		r = add_signal(s, i, evidence, drafts, &err);
	if (r == 0 && s->signals.count == 0) { /* an empty report: nothing to store */
		ingest_count(s->label, NULL, NULL);
		http_reply_json(s->req, 202, NULL);
		request_free(s);
		return;
	}
	if (r < 0 || batch_append_start(s->in->batch, drafts, on_appended, s, &s->append, &err) < 0)
		refuse(s, &err);
}

/* --- github -------------------------------------------------------------------------------- */

/* Verifies against "secret" and, during a rotation, "previous_secret". */
static int github_verify(struct source_req *s, const struct github_delivery *d, struct ssf_err *err)
{
	static const char *const members[] = { "secret", "previous_secret" };
	struct ssf_buf secrets[SSF_ARRAY_SIZE(members)];
	struct ssf_str views[SSF_ARRAY_SIZE(members)];
	size_t count = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < SSF_ARRAY_SIZE(members); i++) {
		const json_t *member = json_object_get(s->spec, members[i]);
		char context[256];
		if (member == NULL)
			continue;
		snprintf(context, sizeof(context), "source/%s/%s", s->id, members[i]);
		ssf_buf_init(&secrets[count], 4096);
		r = unseal(s->in->master, context,
			   ssf_str_c(json_string_value(json_object_get(member, "sealed"))),
			   &secrets[count], err);
		views[count] = ssf_buf_str(&secrets[count]);
		count++;
	}
	if (r == 0)
		r = github_webhook_verify(d, views, count, err);
	for (size_t i = 0; i < count; i++)
		ssf_buf_done(&secrets[i]);
	return r;
}

static void github_start(struct source_req *s)
{
	struct github_delivery d = {
		.event = http_header(s->req, "X-GitHub-Event"),
		.delivery = http_header(s->req, "X-GitHub-Delivery"),
		.hook_id = http_header(s->req, "X-GitHub-Hook-ID"),
		.signature = http_header(s->req, "X-Hub-Signature-256"),
		.content_type = http_header(s->req, "Content-Type"),
		.body = http_body(s->req),
	};
	struct ssf_err err;

	if (github_verify(s, &d, &err) < 0 || github_webhook_map(&d, &s->signals, &err) < 0)
		refuse(s, &err);
	else
		append(s);
}

/* --- github-partner ------------------------------------------------------------------------- */

static int parse_keys(struct ssf_str text, void **out, struct ssf_err *err)
{
	struct github_keys *keys;

	if (github_keys_parse(text, &keys, err) < 0)
		return -1;
	*out = keys;
	return 0;
}

static void free_keys(void *parsed)
{
	github_keys_free(parsed);
}

static const struct document_form keys_form = { parse_keys, free_keys };

static void partner_with_keys(void *arg, const void *parsed, const struct ssf_err *err);

static void partner_fetch(struct source_req *s, bool refresh)
{
	const char *url = json_string_value(json_object_get(s->spec, "keys_url"));
	struct ssf_err err;

	if (document_get_start(s->in->documents, url, &keys_form, refresh, partner_with_keys, s, &s->get,
			       &err) < 0)
		refuse(s, &err);
}

static void partner_with_keys(void *arg, const void *parsed, const struct ssf_err *err)
{
	struct source_req *s = arg;
	struct ssf_str id = http_header(s->req, PARTNER_ID_HEADER);
	const struct github_keys *keys = parsed;
	struct ssf_err why;

	s->get = NULL;
	if (err != NULL) {
		refuse(s, err);
		return;
	}
	if (!github_keys_has(keys, id) && !s->refreshed && json_object_get(s->spec, "keys_url") != NULL) {
		s->refreshed = true; /* GitHub may have a new key since */
		partner_fetch(s, true);
		return;
	}
	if (github_partner_verify(keys, id, http_header(s->req, PARTNER_SIGNATURE_HEADER),
				  http_body(s->req), &why) < 0 ||
	    github_partner_map(http_body(s->req), &s->signals, &why) < 0)
		refuse(s, &why);
	else
		append(s);
}

static void partner_start(struct source_req *s)
{
	const char *path = json_string_value(json_object_get(s->spec, "keys_file"));
	const struct github_keys *keys;
	struct ssf_err err;

	if (http_header(s->req, PARTNER_ID_HEADER).len == 0 ||
	    http_header(s->req, PARTNER_SIGNATURE_HEADER).len == 0) { /* nobody's keys are needed to see that */
		ssf_fail(&err, SSF_E_UNAUTHENTICATED, "the report is not signed");
		refuse(s, &err);
	} else if (path == NULL) {
		partner_fetch(s, false);
	} else if (keyfiles_get(s->in->keyfiles, path, &keys, &err) < 0) {
		refuse(s, &err);
	} else {
		partner_with_keys(s, keys, NULL);
	}
}

/* --- all ------------------------------------------------------------------------------------- */

void ingest_source(struct ingest *in, struct http_req *req, const char *source)
{
	const json_t *spec = registry_get(in->registry, KIND_SOURCE, source);
	const char *type = json_string_value(json_object_get(spec, "type"));
	struct source_req *s;
	struct ssf_err err;

	if (spec == NULL) {
		ssf_fail(&err, SSF_E_NOT_FOUND, "no such source");
		http_reply_error(req, 0, &err);
		return;
	}
	s = calloc(1, sizeof(*s));
	if (s == NULL) {
		ssf_fail(&err, SSF_E_NOMEM, "request");
		http_reply_error(req, 0, &err);
		return;
	}
	s->in = in;
	s->req = req;
	s->spec = json_incref((json_t *)spec);
	s->label = strcmp(type, "github") == 0 ? LABEL_source_github : LABEL_source_partner;
	signal_list_init(&s->signals, BATCH_MAX);
	if ((s->id = strdup(source)) == NULL || asprintf(&s->origin, "source:%s", source) < 0) {
		s->origin = NULL;
		ssf_fail(&err, SSF_E_NOMEM, "request");
		refuse(s, &err);
		return;
	}
	if (s->label == LABEL_source_github)
		github_start(s);
	else
		partner_start(s);
}
