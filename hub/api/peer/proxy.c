/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request is a machine:
 *
 *   FIND the owner -> ASK it -> answered
 *   no owner, or the process says that it is not the owner -> wait -> FIND
 *   another process has become the owner before there is an answer -> FIND
 *
 * Must never have anything done twice that may be done only once: after a connection breaks, only a
 * repeatable request is sent again.
 */
#include "hub/api/peer/proxy.h"

#include "hub/metrics/metrics.h"
#include "lib/http/http_error.h"
#include "lib/kit/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define RETRY_MS 50
#define OWNER_CHECK_MS 500    /* a process that hangs is soon replaced by another one */
#define ANSWER_SLACK_MS 75000 /* a test of a stream may take a minute */

struct proxied {
	LIST_ENTRY(proxied) link;
	struct proxy *proxy;
	struct proxy_request request;
	struct caller caller;
	proxy_done_f *done;
	void *arg;
	int64_t until_ms;          /* without an owner until then: 503 */
	int64_t last_ms;           /* until_ms is never later than this */
	int64_t sent_ms;
	char target[OWNER_ID_LEN]; /* id of the process the request was sent to */
	struct http_call *call;
	struct loop_timer *timer;  /* FIND: the next try; ASK: the next look at the owner */
};

struct proxy {
	struct proxy_deps deps;
	int64_t answer_ms;
	LIST_HEAD(, proxied) requests;
};

int proxy_new(const struct proxy_deps *deps, int64_t poll_wait_ms, struct proxy **out,
	      struct ssf_err *err)
{
	struct proxy *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "proxy");
	p->deps = *deps;
	p->answer_ms = poll_wait_ms + ANSWER_SLACK_MS;
	LIST_INIT(&p->requests);
	*out = p;
	return 0;
}

void proxy_free(struct proxy *p)
{
	free(p);
}

/* --- the end of a request ----------------------------------------------------------------------------- */

/* Frees w; the request is answered, or run here, by the caller. */
static struct http_req *detach(struct proxied *w)
{
	struct http_req *req = w->request.http;

	http_on_cancel(req, NULL, NULL);
	LIST_REMOVE(w, link);
	http_call_cancel(w->call);
	loop_timer_cancel(w->timer);
	free(w);
	return req;
}

static void fail_request(struct proxied *w, const char *why)
{
	proxy_done_f *done = w->done;
	void *arg = w->arg;
	struct ssf_err err;

	metric_add_of(forwarded_requests, LABEL_result_failed, 1);
	ssf_fail(&err, SSF_E_UNAVAILABLE, "%s", why);
	http_reply_error(detach(w), 0, &err);
	done(arg, false);
}

static void run_here(struct proxied *w)
{
	proxy_done_f *done = w->done;
	void *arg = w->arg;

	(void)detach(w);
	done(arg, true);
}

static void relay(struct proxied *w, const struct http_result *r)
{
	proxy_done_f *done = w->done;
	void *arg = w->arg;
	char seconds[24];
	struct http_answer a = { .status = r->status, .content_type = r->content_type, .body = r->body,
				 .headers = { { "Cache-Control", "no-store" } } };
	size_t n = 1;

	metric_add_of(forwarded_requests, LABEL_result_ok, 1);
	if (r->etag != NULL) {
		a.headers[n][0] = "ETag";
		a.headers[n++][1] = r->etag;
	}
	if (r->retry_after >= 0) {
		snprintf(seconds, sizeof(seconds), "%d", r->retry_after);
		a.headers[n][0] = "Retry-After";
		a.headers[n++][1] = seconds;
	}
	http_reply(detach(w), &a);
	done(arg, false);
}

static void on_client_gone(void *arg)
{
	fail_request(arg, "the client is gone");
}

/* --- find and ask --------------------------------------------------------------------------------------- */

static void find_owner(void *arg);

/* No process is known to own the stream now. */
static void find_again(struct proxied *w)
{
	if (loop_now_ms() >= w->until_ms) {
		fail_request(w, "the stream is moving to another process");
		return;
	}
	owner_look(w->proxy->deps.owner);
	w->timer = loop_timer_start(w->proxy->deps.loop, RETRY_MS, find_owner, w);
	if (w->timer == NULL)
		fail_request(w, "out of memory");
}

/* The process owned the stream and does not any more: there will be another owner. */
static void extend_wait(struct proxied *w)
{
	int64_t until_ms = loop_now_ms() + PROXY_WAIT_MS;

	w->until_ms = until_ms < w->last_ms ? until_ms : w->last_ms;
}

static void on_answer(void *arg, const struct http_result *r, const struct ssf_err *err)
{
	struct proxied *w = arg;

	w->call = NULL;
	loop_timer_cancel(w->timer);
	w->timer = NULL;
	if (err != NULL && loop_now_ms() - w->sent_ms > RETRY_MS)
		extend_wait(w);
	if (err == NULL && r->status == 401) { /* another master key, or another time */
		log_error("peer.refused", log_int("unit", w->request.unit));
		fail_request(w, "the process that owns the stream does not trust this one");
	} else if (err == NULL && r->status != PEER_CLIENT_MISDIRECTED) {
		relay(w, r);
	} else if (err == NULL || w->request.repeatable) {
		find_again(w);
	} else {
		log_warn("peer.failed", log_why(err));
		fail_request(w, "the process that owns the stream did not answer");
	}
}

/* Looks whether the stream has another owner while there is no answer yet. */
static void on_owner_check(void *arg)
{
	struct proxied *w = arg;
	struct owner_peer peer;

	w->timer = NULL;
	if (!owner_find(w->proxy->deps.owner, w->request.unit, &peer) || strcmp(peer.id, w->target) == 0) {
		w->timer = loop_timer_start(w->proxy->deps.loop, OWNER_CHECK_MS, on_owner_check, w);
		return;
	}
	log_warn("peer.failed", log_str("error", "no answer, and the stream has another owner"));
	http_call_cancel(w->call);
	w->call = NULL;
	if (w->request.repeatable) {
		extend_wait(w);
		find_owner(w);
	} else {
		fail_request(w, "the process that owned the stream did not answer");
	}
}

static void ask(struct proxied *w, const struct owner_peer *peer)
{
	struct proxy *p = w->proxy;
	struct ssf_err err;

	w->sent_ms = loop_now_ms();
	snprintf(w->target, sizeof(w->target), "%s", peer->id);
	w->timer = loop_timer_start(p->deps.loop, OWNER_CHECK_MS, on_owner_check, w);
	if (peer_client_start(p->deps.client, peer, w->request.http, &w->caller, p->answer_ms, on_answer, w,
			      &w->call, &err) < 0) {
		w->call = NULL;
		fail_request(w, err.msg);
	}
}

static void find_owner(void *arg)
{
	struct proxied *w = arg;
	struct owner_peer peer;

	w->timer = NULL;
	if (!owner_find(w->proxy->deps.owner, w->request.unit, &peer))
		find_again(w);
	else if (peer.self)
		run_here(w);
	else
		ask(w, &peer);
}

int proxy_start(struct proxy *p, const struct proxy_request *r, proxy_done_f *done, void *arg,
		struct ssf_err *err)
{
	struct proxied *w = calloc(1, sizeof(*w));
	int64_t now = loop_now_ms();

	if (w == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "request");
	*w = (struct proxied){ .proxy = p, .request = *r, .caller = *r->caller, .done = done, .arg = arg,
			       .until_ms = now + PROXY_WAIT_MS, .last_ms = now + p->answer_ms };
	w->request.caller = NULL;
	w->timer = loop_timer_start(p->deps.loop, 0, find_owner, w);
	if (w->timer == NULL) {
		free(w);
		return ssf_fail(err, SSF_E_NOMEM, "request");
	}
	LIST_INSERT_HEAD(&p->requests, w, link);
	http_on_cancel(r->http, on_client_gone, w);
	return 0;
}

/* --- shutdown -------------------------------------------------------------------------------------------- */

void proxy_drain(struct proxy *p)
{
	struct proxied *w, *next;

	for (w = p != NULL ? LIST_FIRST(&p->requests) : NULL; w != NULL; w = next) {
		next = LIST_NEXT(w, link);
		if (w->request.repeatable)
			fail_request(w, "shutting down");
	}
}

void proxy_stop(struct proxy *p)
{
	while (p != NULL && !LIST_EMPTY(&p->requests))
		fail_request(LIST_FIRST(&p->requests), "shutting down");
}
