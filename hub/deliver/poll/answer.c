/* SPDX-License-Identifier: Apache-2.0 */
/* Owns the request and the signatures under way. It never sends what a key has signed that has gone since. */
#include "hub/deliver/poll/answer.h"

#include "hub/metrics/metrics.h"
#include "lib/http/http_error.h"

#include <stdlib.h>

struct signing {
	struct poll_answer *answer;
	struct set_signer_wait *sign; /* NULL: there is none under way */
	char jti[JTI_LEN];
};

struct poll_answer {
	struct http_req *req;
	const struct keyring *keyring;
	struct set_signer *signer;
	uint64_t removals; /* keyring_removals() when it began */
	json_t *sets;   /* jti to SET */
	bool more;
	bool started;   /* all were added */
	size_t open;    /* signatures under way */
	bool failed;
	struct ssf_err err;
	size_t count;
	struct signing signing[];
};

static void answer_free(struct poll_answer *a)
{
	for (size_t i = 0; i < a->count; i++)
		set_signer_cancel(a->signing[i].sign);
	json_decref(a->sets);
	free(a);
}

void poll_answer_empty(struct http_req *req)
{
	metric_add_of(polls, LABEL_poll_empty, 1);
	http_reply_json(req, 200, "{\"sets\":{},\"moreAvailable\":false}");
}

static void on_client_gone(void *arg)
{
	struct poll_answer *a = arg;
	struct http_req *req = a->req;

	answer_free(a);
	poll_answer_empty(req); /* goes nowhere */
}

struct poll_answer *poll_answer_new(struct http_req *req, const struct keyring *keyring,
				    struct set_signer *signer, size_t max)
{
	struct poll_answer *a = calloc(1, sizeof(*a) + max * sizeof(a->signing[0]));
	struct ssf_err err;

	if (a == NULL || (a->sets = json_object()) == NULL) {
		free(a);
		ssf_fail(&err, SSF_E_NOMEM, "poll");
		http_reply_error(req, 0, &err);
		return NULL;
	}
	a->req = req;
	a->keyring = keyring;
	a->signer = signer;
	a->removals = keyring_removals(keyring);
	http_on_cancel(req, on_client_gone, a);
	return a;
}

static void answer_send(struct poll_answer *a)
{
	struct http_req *req = a->req;
	json_t *body;
	char *text;

	http_on_cancel(req, NULL, NULL);
	if (a->removals != keyring_removals(a->keyring)) { /* they are signed again at the next poll */
		json_object_clear(a->sets);
		a->more = true;
		a->failed = false;
	}
	body = json_pack("{s:O, s:b}", "sets", a->sets, "moreAvailable", a->more);
	text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
	/* what could be signed is worth sending: the rest comes with the next poll */
	if (text != NULL && (!a->failed || json_object_size(a->sets) > 0)) {
		metric_add_of(polls, json_object_size(a->sets) > 0 ? LABEL_poll_sets : LABEL_poll_empty, 1);
		metric_add(poll_sets, (int64_t)json_object_size(a->sets));
		http_reply_json(req, 200, text);
	} else {
		if (text == NULL)
			ssf_fail(&a->err, SSF_E_NOMEM, "poll");
		metric_add_of(polls, LABEL_poll_failed, 1);
		http_reply_error(req, 0, &a->err);
	}
	free(text);
	json_decref(body);
	answer_free(a);
}

static void answer_failed(struct poll_answer *a, const struct ssf_err *err)
{
	a->failed = true;
	a->err = *err;
}

static void on_signed(void *arg, struct ssf_str set, const struct ssf_err *err)
{
	struct signing *s = arg;
	struct poll_answer *a = s->answer;

	s->sign = NULL;
	if (err != NULL) {
		answer_failed(a, err);
		json_object_del(a->sets, s->jti);
	} else {
		json_object_set_new(a->sets, s->jti, json_stringn_nocheck(set.ptr, set.len));
	}
	if (--a->open == 0 && a->started)
		answer_send(a);
}

void poll_answer_add(struct poll_answer *a, const struct event *e, const char *audience, enum ssf_alg alg)
{
	const struct set_request request = { e, audience, alg };
	struct ssf_str set = set_signer_cached(a->signer, &request);
	struct signing *s = &a->signing[a->count++];
	struct ssf_err err;

	s->answer = a;
	set_signer_jti(a->signer, e->seq, audience, s->jti);
	if (set.len > 0) {
		json_object_set_new(a->sets, s->jti, json_stringn_nocheck(set.ptr, set.len));
		return;
	}
	if (set_signer_start(a->signer, &request, on_signed, s, &s->sign, &err) < 0) {
		s->sign = NULL;
		answer_failed(a, &err);
		return;
	}
	/* reserves its place: signatures end in any order, and the oldest SET is to be listed first */
	json_object_set_new(a->sets, s->jti, json_null());
	a->open++;
}

void poll_answer_start(struct poll_answer *a, bool more)
{
	a->more = more;
	a->started = true;
	if (a->open == 0)
		answer_send(a);
}
