/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request that is passed on is a machine:
 *
 *   find the owner -> ask it -> answered
 *   nobody is, or it says that it is not -> wait -> find ...
 *   another one is, before it has answered -> find ...
 *
 * It must never do twice what may be done once: after a connection that breaks, only what may be
 * repeated is asked again.
 */
#include "hub/api/forward.h"

#include "hub/auth/peer.h"
#include "hub/metrics/metrics.h"
#include "lib/http/http_error.h"
#include "lib/kit/log.h"

#include <openssl/crypto.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define WAIT_MS 2000       /* for a unit to have an owner */
#define AGAIN_MS 50
#define LOOK_MS 500        /* while it is asked: a process that hangs has soon another in its place */
#define ANSWER_SLACK_MS 75000 /* a test of a stream may take a minute */
#define ANSWER_MAX (64 * 1024 * 1024)
#define GATHER_MS 2000

struct forward {
	LIST_ENTRY(forward) link;
	struct forwarder *of;
	struct call call;
	int unit;
	int64_t until_ms;         /* then there is no owner */
	int64_t last_ms;          /* until_ms is not later than that */
	int64_t sent_ms;
	char asked[OWNER_ID_LEN]; /* who is */
	struct http_call *http;
	struct loop_timer *timer;
};

struct gather {
	LIST_ENTRY(gather) link;
	struct forwarder *of;
	struct call call;
	forward_gathered_f *f;
	void *arg;
	json_t *answers;
	LIST_HEAD(, question) questions;
};

struct question {
	LIST_ENTRY(question) link;
	struct gather *of;
	struct http_call *http;
};

struct forwarder {
	struct loop *loop;
	struct api *api;
	struct http_client *client;
	struct http_server *server;
	uint8_t key[DERIVED_KEY_LEN];
	char *url;
	int64_t answer_ms;
	LIST_HEAD(, forward) forwards;
	LIST_HEAD(, gather) gathers;
};

/* --- asking another process --------------------------------------------------------------------------- */

static int header_text(struct ssf_buf *b, const char *name, struct ssf_str value)
{
	ssf_buf_addf(b, "%s: ", name);
	return ssf_buf_add(b, value.ptr, value.len);
}

/* Asks peer for what the call asks. */
static int ask(struct forwarder *f, const struct call *c, const struct owner_peer *peer, int64_t ms,
	       http_done_f *done, void *arg, struct http_call **out, struct ssf_err *err)
{
	ssf_auto_buf target = SSF_BUF(64 * 1024), url = SSF_BUF(66 * 1024);
	ssf_auto_buf type = SSF_BUF(8192), match = SSF_BUF(8192);
	char caller[PEER_CALLER_LEN], stamp[PEER_STAMP_LEN];
	char stamped[PEER_STAMP_LEN + 64], called[PEER_CALLER_LEN + 64];
	struct peer_request r = { .to = peer->id, .method = http_method(c->req), .caller = caller,
				  .content_type = http_header(c->req, "Content-Type"),
				  .if_match = http_header(c->req, "If-Match"),
				  .body = http_body(c->req) };

	peer_caller(&c->caller, caller);
	if (http_target(c->req, &target) < 0)
		return ssf_fail(err, SSF_E_NOMEM, "request");
	r.target = ssf_buf_str(&target);
	ssf_buf_addf(&url, "%s%s", peer->url, target.ptr);
	header_text(&type, "Content-Type", r.content_type);
	header_text(&match, "If-Match", r.if_match);
	if (ssf_buf_failed(&url) || ssf_buf_failed(&type) || ssf_buf_failed(&match))
		return ssf_fail(err, SSF_E_NOMEM, "request");
	if (peer_stamp(f->key, &r, wall_now_ms() / 1000, stamp, err) < 0)
		return -1;
	snprintf(stamped, sizeof(stamped), PEER_HEADER ": %s", stamp);
	snprintf(called, sizeof(called), PEER_CALLER_HEADER ": %s", caller);
	struct http_call_spec spec = {
		.method = r.method,
		.url = url.ptr,
		.headers = { stamped, called, type.ptr, r.if_match.len > 0 ? match.ptr : NULL },
		.body = r.body,
		.timeout_ms = (int)ms,
		.max_body = ANSWER_MAX,
	};
	return http_call_start(f->client, &spec, done, arg, out, err);
}

/* --- passing on ------------------------------------------------------------------------------------------ */

static void step(struct forward *w);

static void on_gone_unheard(void *arg)
{
	(void)arg;
}

/* The request is to be answered by who calls this. */
static struct http_req *forward_end(struct forward *w)
{
	struct http_req *req = w->call.req;

	http_on_close(req, on_gone_unheard, NULL);
	LIST_REMOVE(w, link);
	http_call_cancel(w->http);
	loop_timer_cancel(w->timer);
	free(w);
	return req;
}

static void refuse(struct forward *w, const char *why)
{
	struct ssf_err err;

	metric_add_of(forwarded_requests, LABEL_result_failed, 1);
	ssf_fail(&err, SSF_E_UNAVAILABLE, "%s", why);
	http_reply_error(forward_end(w), 0, &err);
}

static void on_client_gone(void *arg)
{
	refuse(arg, "the client is gone"); /* goes nowhere */
}

static void on_again(void *arg)
{
	struct forward *w = arg;

	w->timer = NULL;
	step(w);
}

/* It has no owner now, or none that we know of. */
static void again(struct forward *w)
{
	if (loop_now_ms() >= w->until_ms) {
		refuse(w, "the stream is moving to another process");
		return;
	}
	owner_look(w->call.api->owner);
	w->timer = loop_timer_start(w->of->loop, AGAIN_MS, on_again, w);
	if (w->timer == NULL)
		refuse(w, "out of memory");
}

/* As the owner has answered it. */
static void pass_back(struct forward *w, const struct http_result *r)
{
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
	http_reply(forward_end(w), &a);
}

/* It was its owner, and is not any more: there will be another. */
static void wait_anew(struct forward *w)
{
	int64_t until_ms = loop_now_ms() + WAIT_MS;

	w->until_ms = until_ms < w->last_ms ? until_ms : w->last_ms;
}

static void on_answer(void *arg, const struct http_result *r, const struct ssf_err *err)
{
	struct forward *w = arg;

	w->http = NULL;
	loop_timer_cancel(w->timer);
	w->timer = NULL;
	if (err != NULL && loop_now_ms() - w->sent_ms > AGAIN_MS)
		wait_anew(w);
	if (err == NULL && r->status == 401) {
		log_error("peer.refused", log_int("unit", w->unit)); /* another master key, or another time */
		refuse(w, "the process that owns the stream does not know this one");
	} else if (err == NULL && r->status != FORWARD_MISDIRECTED) {
		pass_back(w, r);
	} else if (err == NULL || api_may_repeat(&w->call)) {
		again(w);
	} else {
		log_warn("peer.failed", log_why(err));
		refuse(w, "the process that owns the stream did not answer");
	}
}

static void look_later(struct forward *w);

static void on_look(void *arg)
{
	struct forward *w = arg;
	struct owner_peer peer;

	w->timer = NULL;
	if (!owner_find(w->call.api->owner, w->unit, &peer) || strcmp(peer.id, w->asked) == 0) {
		look_later(w);
		return;
	}
	log_warn("peer.failed", log_str("error", "the stream has another owner, and there is no answer"));
	http_call_cancel(w->http);
	w->http = NULL;
	if (api_may_repeat(&w->call)) {
		wait_anew(w);
		step(w);
	} else {
		refuse(w, "the process that owned the stream did not answer");
	}
}

static void look_later(struct forward *w)
{
	w->timer = loop_timer_start(w->of->loop, LOOK_MS, on_look, w);
}

static void step(struct forward *w)
{
	struct owner_peer peer;
	struct ssf_err err;

	if (!owner_find(w->call.api->owner, w->unit, &peer)) {
		again(w);
	} else if (peer.self) {
		struct call c = w->call;
		forward_end(w);
		api_run(&c);
	} else {
		w->sent_ms = loop_now_ms();
		snprintf(w->asked, sizeof(w->asked), "%s", peer.id);
		look_later(w);
		if (ask(w->of, &w->call, &peer, w->of->answer_ms, on_answer, w, &w->http, &err) < 0) {
			w->http = NULL;
			http_reply_error(forward_end(w), 0, &err);
		}
	}
}

void forward_start(const struct call *c, int unit)
{
	struct forward *w = calloc(1, sizeof(*w));
	int64_t now = loop_now_ms();
	struct ssf_err err;

	if (w == NULL) {
		ssf_fail(&err, SSF_E_NOMEM, "request");
		http_reply_error(c->req, 0, &err);
		return;
	}
	*w = (struct forward){ .of = c->api->forwarder, .call = *c, .unit = unit, .until_ms = now + WAIT_MS,
			       .last_ms = now + c->api->forwarder->answer_ms };
	LIST_INSERT_HEAD(&w->of->forwards, w, link);
	http_on_close(c->req, on_client_gone, w);
	step(w);
}

/* --- asking all ----------------------------------------------------------------------------------------------- */

static void question_free(struct question *q)
{
	LIST_REMOVE(q, link);
	http_call_cancel(q->http);
	free(q);
}

static void gathered(struct gather *g)
{
	while (!LIST_EMPTY(&g->questions))
		question_free(LIST_FIRST(&g->questions));
	http_on_close(g->call.req, on_gone_unheard, NULL);
	g->f(g->arg, g->call.req, g->answers);
	LIST_REMOVE(g, link);
	json_decref(g->answers);
	free(g);
}

static void on_part(void *arg, const struct http_result *r, const struct ssf_err *err)
{
	struct question *q = arg;
	struct gather *g = q->of;
	json_t *part = err == NULL && r->status == 200 ? json_loadb(r->body.ptr, r->body.len, 0, NULL) : NULL;

	q->http = NULL;
	question_free(q);
	if (json_is_object(part))
		json_array_append(g->answers, part);
	else
		log_warn("peer.failed", log_str("error", err != NULL ? err->msg : "not a proper answer"));
	json_decref(part);
	if (LIST_EMPTY(&g->questions))
		gathered(g);
}

static void ask_part(void *arg, const struct owner_peer *peer)
{
	struct gather *g = arg;
	struct question *q = calloc(1, sizeof(*q));
	struct ssf_err err;

	if (q == NULL)
		return;
	q->of = g;
	LIST_INSERT_HEAD(&g->questions, q, link);
	if (ask(g->of, &g->call, peer, GATHER_MS, on_part, q, &q->http, &err) < 0) {
		q->http = NULL;
		log_warn("peer.failed", log_why(&err));
		question_free(q);
	}
}

static void on_gather_gone(void *arg)
{
	gathered(arg); /* the answer goes nowhere */
}

void forward_gather(const struct call *c, forward_gathered_f *f, void *arg)
{
	struct gather *g = calloc(1, sizeof(*g));
	struct ssf_err err;

	if (g == NULL || (g->answers = json_array()) == NULL) {
		free(g);
		ssf_fail(&err, SSF_E_NOMEM, "request");
		http_reply_error(c->req, 0, &err);
		return;
	}
	g->of = c->api->forwarder;
	g->call = *c;
	g->f = f;
	g->arg = arg;
	LIST_INIT(&g->questions);
	LIST_INSERT_HEAD(&g->of->gathers, g, link);
	http_on_close(c->req, on_gather_gone, g);
	owner_each(c->api->owner, ask_part, g);
	if (LIST_EMPTY(&g->questions))
		gathered(g);
}

/* --- being asked ------------------------------------------------------------------------------------------------ */

static int check(struct forwarder *f, const struct http_req *req, struct caller *caller, struct ssf_err *err)
{
	ssf_auto_buf target = SSF_BUF(64 * 1024);
	struct ssf_str who = http_header(req, PEER_CALLER_HEADER);
	ssf_auto_free char *text = ssf_str_dup(who);
	struct peer_request r = { .to = owner_id(f->api->owner), .method = http_method(req), .caller = text,
				  .content_type = http_header(req, "Content-Type"),
				  .if_match = http_header(req, "If-Match"), .body = http_body(req) };

	if (text == NULL || http_target(req, &target) < 0)
		return ssf_fail(err, SSF_E_NOMEM, "request");
	r.target = ssf_buf_str(&target);
	if (peer_check(f->key, &r, wall_now_ms() / 1000, http_header(req, PEER_HEADER), err) < 0)
		return -1;
	if (peer_caller_parse(who, caller) < 0)
		return ssf_fail(err, SSF_E_MALFORMED, "no proper caller");
	return 0;
}

static void on_request(void *arg, struct http_req *req)
{
	struct forwarder *f = arg;
	struct caller caller;
	struct ssf_err err;

	if (f->api->owner == NULL) {
		ssf_fail(&err, SSF_E_UNAVAILABLE, "starting");
		http_reply_error(req, FORWARD_MISDIRECTED, &err);
	} else if (check(f, req, &caller, &err) < 0) {
		log_warn("peer.stranger", log_str("peer", http_peer(req)));
		http_reply_error(req, 0, &err);
	} else {
		api_handle_peer(f->api, req, &caller);
	}
}

/* --- life --------------------------------------------------------------------------------------------------------- */

static bool is_loopback(const char *listen)
{
	return strncmp(listen, "127.", 4) == 0 || strncmp(listen, "[::1]", 5) == 0;
}

static char *url_of(const struct forwarder_conf *conf, unsigned port)
{
	const char *colon = strrchr(conf->listen, ':');
	char *url = NULL;
	int len = conf->host != NULL ? (int)strlen(conf->host) : (int)(colon - conf->listen);

	if (asprintf(&url, "%s://%.*s:%u", conf->tls_cert != NULL ? "https" : "http", len,
		     conf->host != NULL ? conf->host : conf->listen, port) < 0)
		return NULL;
	return url;
}

int forwarder_new(struct loop *loop, const struct forwarder_conf *conf, struct api *api,
		  struct http_client *client, const struct master_key *master, struct forwarder **out,
		  struct ssf_err *err)
{
	struct http_server_conf server = { .listen = conf->listen, .tls_cert = conf->tls_cert,
					   .tls_key = conf->tls_key, .max_body = conf->max_body,
					   .request_timeout_ms = conf->request_timeout_ms,
					   .max_connections = conf->max_connections };
	struct forwarder *f;

	if (conf->tls_cert == NULL && !is_loopback(conf->listen))
		return ssf_fail(err, SSF_E_MALFORMED, "peer_listen: beyond this machine it needs tls_cert");
	f = calloc(1, sizeof(*f));
	if (f == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "peers");
	f->loop = loop;
	f->api = api;
	f->client = client;
	f->answer_ms = conf->poll_wait_ms + ANSWER_SLACK_MS;
	LIST_INIT(&f->forwards);
	LIST_INIT(&f->gathers);
	if (peer_key(master, f->key, err) < 0 ||
	    http_server_new(loop, &server, on_request, f, &f->server, err) < 0) {
		forwarder_free(f);
		return ssf_fail_prefix(err, "peer_listen");
	}
	f->url = url_of(conf, http_server_port(f->server));
	if (f->url == NULL) {
		forwarder_free(f);
		return ssf_fail(err, SSF_E_NOMEM, "peers");
	}
	*out = f;
	return 0;
}

const char *forwarder_url(const struct forwarder *f)
{
	return f->url;
}

size_t forwarder_pending(const struct forwarder *f)
{
	return http_server_pending(f->server);
}

void forwarder_drain(struct forwarder *f)
{
	struct forward *w, *next;

	for (w = LIST_FIRST(&f->forwards); w != NULL; w = next) {
		next = LIST_NEXT(w, link);
		if (api_may_repeat(&w->call))
			refuse(w, "shutting down");
	}
}

void forwarder_stop(struct forwarder *f)
{
	if (f == NULL)
		return;
	while (!LIST_EMPTY(&f->forwards))
		refuse(LIST_FIRST(&f->forwards), "shutting down");
	while (!LIST_EMPTY(&f->gathers))
		gathered(LIST_FIRST(&f->gathers));
}

void forwarder_free(struct forwarder *f)
{
	if (f == NULL)
		return;
	http_server_free(f->server);
	OPENSSL_cleanse(f->key, sizeof(f->key));
	free(f->url);
	free(f);
}
