/* SPDX-License-Identifier: Apache-2.0 */
/* A process that does not answer in time is left out; it never fails the request. */
#include "hub/api/peer/scatter_gather.h"

#include "lib/kit/log.h"

#include <jansson.h>
#include <stdlib.h>
#include <sys/queue.h>

#define ANSWER_MS 2000

struct gather {
	LIST_ENTRY(gather) link;
	struct scatter_gather *of;
	struct http_req *req;
	const struct caller *caller; /* during the start */
	scatter_gather_done_f *done;
	void *arg;
	json_t *answers;
	struct loop_timer *none;     /* nobody could be asked */
	LIST_HEAD(, question) questions;
};

struct question {
	LIST_ENTRY(question) link;
	struct gather *gather;
	struct http_call *call;
};

struct scatter_gather {
	struct scatter_gather_deps deps;
	LIST_HEAD(, gather) gathers;
};

int scatter_gather_new(const struct scatter_gather_deps *deps, struct scatter_gather **out,
		       struct ssf_err *err)
{
	struct scatter_gather *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "peers");
	s->deps = *deps;
	LIST_INIT(&s->gathers);
	*out = s;
	return 0;
}

void scatter_gather_free(struct scatter_gather *s)
{
	free(s);
}

static void question_free(struct question *q)
{
	LIST_REMOVE(q, link);
	http_call_cancel(q->call);
	free(q);
}

static void gather_free(struct gather *g)
{
	while (!LIST_EMPTY(&g->questions))
		question_free(LIST_FIRST(&g->questions));
	loop_timer_cancel(g->none);
	LIST_REMOVE(g, link);
	json_decref(g->answers);
	free(g);
}

/* With the answers so far. */
static void finish(void *arg)
{
	struct gather *g = arg;

	http_on_cancel(g->req, NULL, NULL);
	g->done(g->arg, g->answers);
	gather_free(g);
}

static void on_none(void *arg)
{
	struct gather *g = arg;

	g->none = NULL;
	finish(g);
}

static void on_answer(void *arg, const struct http_result *r, const struct ssf_err *err)
{
	struct question *q = arg;
	struct gather *g = q->gather;
	json_t *answer = err == NULL && r->status == 200 ? json_loadb(r->body.ptr, r->body.len, 0, NULL) : NULL;

	q->call = NULL;
	question_free(q);
	if (json_is_object(answer))
		json_array_append(g->answers, answer);
	else
		log_warn("peer.failed", log_str("error", err != NULL ? err->msg : "not a proper answer"));
	json_decref(answer);
	if (LIST_EMPTY(&g->questions))
		finish(g);
}

static void ask(void *arg, const struct owner_peer *peer)
{
	struct gather *g = arg;
	struct question *q = calloc(1, sizeof(*q));
	struct ssf_err err;

	if (q == NULL)
		return;
	q->gather = g;
	LIST_INSERT_HEAD(&g->questions, q, link);
	if (peer_client_start(g->of->deps.client, peer, g->req, g->caller, ANSWER_MS, on_answer, q, &q->call,
			      &err) < 0) {
		q->call = NULL;
		log_warn("peer.failed", log_why(&err));
		question_free(q);
	}
}

int scatter_gather_start(struct scatter_gather *s, struct http_req *req, const struct caller *caller,
			 scatter_gather_done_f *done, void *arg, struct ssf_err *err)
{
	struct gather *g = calloc(1, sizeof(*g));

	if (g == NULL || (g->answers = json_array()) == NULL) {
		free(g);
		return ssf_fail(err, SSF_E_NOMEM, "request");
	}
	g->of = s;
	g->req = req;
	g->caller = caller;
	g->done = done;
	g->arg = arg;
	LIST_INIT(&g->questions);
	LIST_INSERT_HEAD(&s->gathers, g, link);
	owner_each(s->deps.owner, ask, g);
	g->caller = NULL;
	if (LIST_EMPTY(&g->questions) &&
	    (g->none = loop_timer_start(s->deps.loop, 0, on_none, g)) == NULL) {
		gather_free(g);
		return ssf_fail(err, SSF_E_NOMEM, "request");
	}
	http_on_cancel(req, finish, g);
	return 0;
}

void scatter_gather_stop(struct scatter_gather *s)
{
	while (s != NULL && !LIST_EMPTY(&s->gathers))
		finish(LIST_FIRST(&s->gathers));
}
