/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request is a machine:
 *
 *   parse -> [keys ->] verify -> append -> answer
 *
 * The signature alone decides who sent the SET.
 */
#include "hub/ingest/set_request.h"

#include "lib/http/http_error.h"
#include "lib/kit/log.h"
#include "lib/kit/uuid.h"
#include "lib/ssf/media_type.h"
#include "lib/ssf/set.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SKEW_S 60
#define ISSUER_MAX 1024

struct set_request {
	struct ingest *in;
	struct http_req *req;
	struct ssf_jws jws;
	json_t *transmitter; /* the resource */
	char issuer[ISSUER_MAX];
	struct jwks_search *search;
	struct batch_append *append;
};

static void request_free(struct set_request *s)
{
	ssf_jws_done(&s->jws);
	json_decref(s->transmitter);
	free(s);
}

/* RFC 8935 section 2.3: any error in the SET is a 400. */
static void refuse_set(struct set_request *s, const struct ssf_err *err)
{
	int status = ssf_code_info(err->code)->http_status;

	ingest_count(LABEL_source_set, NULL, err);
	log_warn("ingest.set.refused", log_why(err), log_str("peer", http_peer(s->req)));
	http_reply_error(s->req, status >= 500 || status == 413 || status == 429 ? status : 400,
			 err);
	request_free(s);
}

static void on_appended(void *arg, const struct batch_result *first, const struct ssf_err *err)
{
	struct set_request *s = arg;

	s->append = NULL;
	if (err != NULL) {
		refuse_set(s, err);
		return;
	}
	ingest_count(LABEL_source_set, first, NULL);
	log_debug("ingest.set.accepted", log_str("txn", first->txn), log_int("seq", first->seq),
		  log_str("new", first->appended ? "yes" : "no"));
	http_reply_json(s->req, 202, NULL);
	request_free(s);
}

/* The agent that a subject names in the format that the hub uses for agents, or NULL. */
static const char *agent_of_subject(const struct ingest *in, const json_t *sub_id)
{
	const char *format = json_string_value(json_object_get(sub_id, "format"));
	const char *sub = json_string_value(json_object_get(sub_id, "sub"));
	const char *iss = json_string_value(json_object_get(sub_id, "iss"));

	if (format == NULL || sub == NULL || iss == NULL || strcmp(format, "iss_sub") != 0 ||
	    strcmp(iss, in->issuer) != 0 || registry_get(in->registry, KIND_AGENT, sub) == NULL)
		return NULL;
	return sub;
}

/* One event a member of "events". The first has the jti as its id, so that (iss, jti) is unique. */
static int add_events(struct set_request *s, const struct ssf_set *set, struct drafts *drafts,
		      struct ssf_err *err)
{
	char origin[ISSUER_MAX + 8], origin_id[300], txn[UUID_LEN], trace[SSF_TRACEPARENT_LEN];
	const char *traced = ingest_trace(s->req, trace);
	bool own_txn = set->txn != NULL && set->txn[0] != '\0';
	uint8_t evidence[SSF_SHA256_LEN];
	const char *type;
	json_t *claims;
	size_t n = 0;

	if (!own_txn)
		uuid_make(txn);
	ssf_sha256(http_body(s->req), evidence);
	snprintf(origin, sizeof(origin), "issuer:%s", set->iss);
	json_object_foreach((json_t *)set->events, type, claims) {
		if (n == 0)
			snprintf(origin_id, sizeof(origin_id), "%s", set->jti);
		else
			snprintf(origin_id, sizeof(origin_id), "%s#%zu", set->jti, n);
		struct draft d = {
			.origin = origin,
			.origin_id = origin_id,
			.type = type,
			.txn = own_txn ? set->txn : txn,
			.agent_id = agent_of_subject(s->in, set->sub_id),
			.sub_id = set->sub_id,
			.body = claims,
			.evidence = evidence,
			.trace = traced,
		};
		if (draft_add(drafts, &d, err) < 0)
			return -1;
		n++;
	}
	return 0;
}

static void accept_set(struct set_request *s, const struct ssf_key *key)
{
	const char *audience = json_string_value(json_object_get(s->transmitter, "audience"));
	const char *const audiences[] = { audience != NULL ? audience : s->in->issuer, NULL };
	const struct ssf_set_policy policy = {
		.issuer = s->issuer,
		.audience = audiences,
		.now = wall_now_ms() / 1000,
		.max_skew = MAX_SKEW_S,
	};
	ssf_auto(drafts) drafts = drafts_new();
	struct ssf_set set = { .claims = NULL };
	struct ssf_err err;
	int r;

	if (ssf_set_verify(&s->jws, key, &policy, &set, &err) < 0) {
		refuse_set(s, &err);
		return;
	}
	r = drafts != NULL ? add_events(s, &set, drafts, &err) : ssf_fail(&err, SSF_E_NOMEM, "SET");
	ssf_set_done(&set);
	if (r < 0 || batch_append_start(s->in->batch, drafts, on_appended, s, &s->append, &err) < 0)
		refuse_set(s, &err);
}

/* Before the append nothing has happened that the transmitter would have to know of. */
static void on_client_gone(void *arg)
{
	struct set_request *s = arg;
	struct ssf_err err;

	jwks_search_cancel(s->search);
	ssf_fail(&err, SSF_E_UNAVAILABLE, "the client has gone");
	refuse_set(s, &err);
}

static void on_key(void *arg, struct ssf_key *key, const struct ssf_err *err)
{
	struct set_request *s = arg;

	s->search = NULL;
	http_on_cancel(s->req, NULL, NULL); /* from here on the request runs to its end */
	if (err != NULL) {
		refuse_set(s, err);
		return;
	}
	accept_set(s, key);
}

/* The transmitter's key with the kid and algorithm of the SET. */
static void find_key(struct set_request *s)
{
	const json_t *jwks = json_object_get(s->transmitter, "jwks");
	const char *url = json_string_value(json_object_get(s->transmitter, "jwks_url"));
	ssf_auto(ssf_key) key = NULL;
	struct ssf_err err;

	if (jwks != NULL) {
		if (jwks_find(s->in->jwks, jwks, s->jws.kid, s->jws.alg, &key, &err) < 0)
			refuse_set(s, &err);
		else
			accept_set(s, key);
	} else if (jwks_search_start(s->in->jwks, url, s->jws.kid, s->jws.alg, on_key, s,
				     &s->search, &err) < 0) {
		refuse_set(s, &err);
	} else {
		http_on_cancel(s->req, on_client_gone, s);
	}
}

static int parse_request(struct set_request *s, struct ssf_err *err)
{
	const char *id;

	if (!ssf_media_type_is(http_header(s->req, "Content-Type"), SSF_SET_MEDIA_TYPE))
		return ssf_fail(err, SSF_E_MALFORMED, "Content-Type must be " SSF_SET_MEDIA_TYPE);
	if (ssf_jws_parse(http_body(s->req), &s->jws, err) < 0 ||
	    ssf_set_peek_issuer(&s->jws, s->issuer, sizeof(s->issuer), err) < 0)
		return -1;
	id = registry_find(s->in->registry, KIND_TRANSMITTER, "issuer", s->issuer);
	if (id == NULL)
		return ssf_fail(err, SSF_E_ISSUER, "the issuer is not a registered transmitter");
	s->transmitter = json_incref((json_t *)registry_get(s->in->registry, KIND_TRANSMITTER, id));
	return 0;
}

void set_request_start(struct ingest *in, struct http_req *req)
{
	struct set_request *s = calloc(1, sizeof(*s));
	struct ssf_err err;

	if (s == NULL) {
		ssf_fail(&err, SSF_E_NOMEM, "request");
		http_reply_error(req, 0, &err);
		return;
	}
	s->in = in;
	s->req = req;
	if (parse_request(s, &err) < 0)
		refuse_set(s, &err);
	else
		find_key(s);
}
