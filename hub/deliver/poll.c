/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Poll (RFC 8936). One request is a machine:
 *
 *   acknowledge -> choose -> sign (all of them) -> answer
 *                  choose -> wait (long poll) -> choose ...
 *
 * It must never settle an event that was not acknowledged by its own client, under its own jti.
 */
#include "hub/deliver/deliver_priv.h"

#include "hub/metrics/metrics.h"
#include "lib/http/http_error.h"
#include "lib/kit/log.h"
#include "lib/ssf/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SETS_MAX 100      /* in one answer */
#define ACKS_MAX 10000    /* in one request */
#define WAITING_MAX 64    /* long polls on one stream */

struct poll_wait {
	TAILQ_ENTRY(poll_wait) link;
	struct outlet *outlet;
	struct http_req *req;
	size_t max;
	bool held; /* for the stream to be loaded, then it is looked at anew */
	struct loop_timer *timer;
};

/* Between choosing and answering. Outlives the outlet: it holds what it needs. */
struct poll_answer {
	struct http_req *req;
	const struct keys *keys;
	uint64_t gone;           /* keys_gone() when it began */
	json_t *sets;            /* jti to SET */
	bool more;
	size_t open;             /* signatures under way */
	bool failed;
	struct ssf_err err;
};

struct signing {
	struct poll_answer *answer;
	char jti[KEYS_JTI_LEN];
};

/* --- answer -------------------------------------------------------------------------------------------- */

static void answer_send(struct poll_answer *a)
{
	json_t *body;
	char *text;

	if (a->gone != keys_gone(a->keys)) { /* a key meanwhile: they are signed again at the next poll */
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
		http_reply_json(a->req, 200, text);
	} else {
		if (text == NULL)
			ssf_fail(&a->err, SSF_E_NOMEM, "poll");
		metric_add_of(polls, LABEL_poll_failed, 1);
		http_reply_error(a->req, 0, &a->err);
	}
	free(text);
	json_decref(body);
	json_decref(a->sets);
	free(a);
}

static void on_signed(void *arg, struct ssf_str set, const struct ssf_err *err)
{
	struct signing *s = arg;
	struct poll_answer *a = s->answer;

	if (err != NULL) {
		a->failed = true;
		a->err = *err;
		json_object_del(a->sets, s->jti);
	} else {
		json_object_set_new(a->sets, s->jti, json_stringn_nocheck(set.ptr, set.len));
	}
	free(s);
	if (--a->open == 0)
		answer_send(a);
}

static void answer_add(struct poll_answer *a, struct outlet *o, struct entry *e)
{
	struct keys *keys = o->deliver->keys;
	struct ssf_str set = keys_signed(keys, e->event, o->stream->audience, o->stream->alg);
	struct keys_sign *handle;
	struct signing *s;

	if (set.len > 0) {
		char jti[KEYS_JTI_LEN];
		keys_jti(keys, e->event->seq, o->stream->audience, jti);
		json_object_set_new(a->sets, jti, json_stringn_nocheck(set.ptr, set.len));
		return;
	}
	s = calloc(1, sizeof(*s));
	if (s == NULL) {
		a->failed = true;
		ssf_fail(&a->err, SSF_E_NOMEM, "poll");
		return;
	}
	s->answer = a;
	keys_jti(keys, e->event->seq, o->stream->audience, s->jti);
	if (keys_sign_start(keys, e->event, o->stream->audience, o->stream->alg, on_signed,
			    s, &handle, &a->err) < 0) {
		a->failed = true;
		free(s);
		return;
	}
	/* its place: signatures end in any order, and who reads on shall read the oldest first */
	json_object_set_new(a->sets, s->jti, json_null());
	a->open++;
}

/* Answers with up to max unsettled events, oldest first; there may be none. */
static void answer(struct outlet *o, struct http_req *req, size_t max)
{
	struct poll_answer *a = calloc(1, sizeof(*a));
	struct ssf_err err;
	struct entry *e;
	size_t chosen = 0;

	if (a == NULL || (a->sets = json_object()) == NULL) {
		free(a);
		ssf_fail(&err, SSF_E_NOMEM, "poll");
		http_reply_error(req, 0, &err);
		return;
	}
	a->req = req;
	a->keys = o->deliver->keys;
	a->gone = keys_gone(a->keys);
	TAILQ_FOREACH(e, &o->entries, link) {
		if (!outlet_may_send(o, e))
			continue;
		if (chosen == max) {
			a->more = true;
			break;
		}
		answer_add(a, o, e);
		chosen++;
	}
	if (a->open == 0)
		answer_send(a);
}

static void answer_empty(struct http_req *req)
{
	metric_add_of(polls, LABEL_poll_empty, 1);
	http_reply_json(req, 200, "{\"sets\":{},\"moreAvailable\":false}");
}

/* --- wait -------------------------------------------------------------------------------------------------- */

static void on_gone_unheard(void *arg)
{
	(void)arg;
}

/* Takes the request out of the waiting, to be answered, which may take until SETs are signed. */
static struct http_req *wait_end(struct poll_wait *w)
{
	struct http_req *req = w->req;

	http_on_close(req, on_gone_unheard, NULL); /* w is gone, whenever the client goes */
	outlet_active(w->outlet); /* until now */
	TAILQ_REMOVE(&w->outlet->waiting, w, link);
	w->outlet->waiting_count--;
	loop_timer_cancel(w->timer);
	free(w);
	return req;
}

/* There was nothing; or what it has acknowledged is not known yet, and must not be lost. */
static void answer_nothing(struct http_req *req, bool held)
{
	struct ssf_err err;

	if (!held) {
		answer_empty(req);
		return;
	}
	ssf_fail(&err, SSF_E_UNAVAILABLE, "the stream is being loaded");
	http_reply_error(req, 0, &err);
}

static void wait_give_up(struct poll_wait *w)
{
	bool held = w->held;

	answer_nothing(wait_end(w), held);
}

static void on_wait_over(void *arg)
{
	struct poll_wait *w = arg;

	w->timer = NULL;
	wait_give_up(w);
}

static void on_client_gone(void *arg)
{
	wait_give_up(arg); /* goes nowhere */
}

static void wait_start(struct outlet *o, struct http_req *req, size_t max, bool held)
{
	struct poll_wait *w = o->waiting_count < WAITING_MAX ? calloc(1, sizeof(*w)) : NULL;

	if (w == NULL || (w->timer = loop_timer_start(o->deliver->loop, o->deliver->conf.poll_wait_ms,
						      on_wait_over, w)) == NULL) {
		free(w);
		answer_nothing(req, held); /* a poll that may not wait is a short one */
		return;
	}
	w->outlet = o;
	w->req = req;
	w->max = max;
	w->held = held;
	TAILQ_INSERT_TAIL(&o->waiting, w, link);
	o->waiting_count++;
	if (!held)
		http_release_body(req);
	http_on_close(req, on_client_gone, w);
}

static bool may_offer(const struct outlet *o)
{
	const struct entry *e;

	if (outlet_backlog(o) == 0)
		return false;
	TAILQ_FOREACH(e, &o->entries, link) {
		if (outlet_may_send(o, e))
			return true;
	}
	return false;
}

/* One of those who wait gets what is there: two would get the same. */
static void on_wake(void *arg)
{
	struct outlet *o = arg;
	struct poll_wait *w = TAILQ_FIRST(&o->waiting);
	size_t max;

	o->wake = NULL;
	if (w == NULL || !may_offer(o) || !shards_act(o))
		return;
	max = w->max;
	answer(o, wait_end(w), max);
}

void poll_wake(struct outlet *o)
{
	if (o->wake == NULL && !TAILQ_EMPTY(&o->waiting))
		o->wake = loop_defer_start(o->deliver->loop, on_wake, o);
}

void poll_stop(struct outlet *o)
{
	while (!TAILQ_EMPTY(&o->waiting))
		wait_give_up(TAILQ_FIRST(&o->waiting));
}

void poll_loaded(struct outlet *o)
{
	struct poll_wait *w, *next;

	for (w = TAILQ_FIRST(&o->waiting); w != NULL; w = next) {
		next = TAILQ_NEXT(w, link);
		if (w->held)
			deliver_poll(o->deliver, wait_end(w), o->stream->id, o->stream->client);
	}
}

/* --- acknowledge -------------------------------------------------------------------------------------------- */

/* The entry of a jti of ours for this stream's audience, if it is not settled yet. */
static struct entry *entry_of(struct outlet *o, const char *jti)
{
	int64_t seq;

	if (jti == NULL ||
	    keys_jti_seq(o->deliver->keys, ssf_str_c(jti), o->stream->audience, &seq) < 0)
		return NULL;
	return outlet_find(o, seq);
}

static void acknowledge(struct outlet *o, const json_t *acks, const json_t *errors)
{
	const json_t *jti;
	const char *key;
	json_t *what;
	size_t i;

	json_array_foreach(acks, i, jti) {
		struct entry *e = entry_of(o, json_string_value(jti));
		if (e != NULL)
			outlet_settle(o, e, true);
	}
	json_object_foreach((json_t *)errors, key, what) {
		struct entry *e = entry_of(o, key);
		char reason[OUTLET_REASON_MAX];
		if (e == NULL)
			continue;
		outlet_refusal(what, reason);
		outlet_error(o, reason);
		if (!outlet_bury(o, e, reason))
			log_warn("deliver.deadletter.failed", log_str("stream", o->stream->id));
	}
}

/* --- request ---------------------------------------------------------------------------------------------------- */

struct poll_params {
	json_int_t max;
	bool now;
	bool later; /* it says so itself */
	const json_t *acks;
	const json_t *errors;
};

static int parse(const json_t *body, struct poll_params *p, struct ssf_err *err)
{
	const char *jti;
	json_t *what;

	*p = (struct poll_params){ .max = SETS_MAX };
	if (!json_is_object(body))
		return ssf_fail(err, SSF_E_MALFORMED, "the body must be an object");
	if (ssf_json_opt_int(body, "maxEvents", &p->max, err) < 0 ||
	    ssf_json_opt_bool(body, "returnImmediately", &p->now, err) < 0 ||
	    ssf_json_opt_strings(body, "ack", ACKS_MAX, &p->acks, err) < 0)
		return -1;
	p->later = json_is_false(json_object_get(body, "returnImmediately"));
	if (p->max < 0)
		return ssf_fail(err, SSF_E_MALFORMED, "maxEvents: must not be negative");
	p->errors = json_object_get(body, "setErrs");
	if (p->errors != NULL && !json_is_object(p->errors) && !json_is_null(p->errors))
		return ssf_fail(err, SSF_E_MALFORMED, "setErrs: must be an object");
	if (json_object_size(p->errors) > ACKS_MAX)
		return ssf_fail(err, SSF_E_LIMIT, "setErrs: more than %d members", ACKS_MAX);
	json_object_foreach((json_t *)p->errors, jti, what) {
		if (!json_is_string(json_object_get(what, "err")))
			return ssf_fail(err, SSF_E_MALFORMED, "setErrs: must be objects with err");
	}
	if (p->max > SETS_MAX)
		p->max = SETS_MAX;
	return 0;
}

static int parse_request(const struct http_req *req, json_t **body, struct poll_params *p,
			 struct ssf_err *err)
{
	if (ssf_json_parse(http_body(req), &ssf_json_default, body, err) == 0 &&
	    parse(*body, p, err) == 0)
		return 0;
	if (err->code == SSF_E_LIMIT && http_body(req).len <= ssf_json_default.max_bytes)
		err->code = SSF_E_MALFORMED; /* what is in it is too much, not the whole */
	return -1;
}

static struct outlet *outlet_of(struct deliver *d, const char *stream, const char *client)
{
	struct outlet *o = deliver_find(d, stream);

	/* another client's stream does not exist for this one */
	if (o == NULL || o->stream->method != STREAM_POLL || strcmp(o->stream->client, client) != 0)
		return NULL;
	return o;
}

void deliver_poll(struct deliver *d, struct http_req *req, const char *stream, const char *client)
{
	struct outlet *o = outlet_of(d, stream, client);
	json_auto_t *body = NULL;
	struct poll_params p;
	struct ssf_err err;

	if (o == NULL ? d->fill_shards != NULL : !shards_act(o)) {
		ssf_fail(&err, SSF_E_UNAVAILABLE, "the stream is moving to another process");
		http_reply_error(req, 0, &err);
		return;
	}
	if (o == NULL) {
		ssf_fail(&err, SSF_E_NOT_FOUND, "no such poll stream");
		http_reply_error(req, 0, &err);
		return;
	}
	outlet_active(o);
	if (parse_request(req, &body, &p, &err) < 0) {
		http_reply_error(req, 0, &err);
		return;
	}
	if (!o->loaded && (json_array_size(p.acks) > 0 || json_object_size(p.errors) > 0)) {
		wait_start(o, req, 0, true);
		return;
	}
	acknowledge(o, p.acks, p.errors);
	if (p.max > 0 && may_offer(o))
		answer(o, req, (size_t)p.max);
	/* RFC 8936 section 2.4.2: who wants no SETs waits if it says so; who says nothing has its answer */
	else if (p.now || d->draining || (p.max == 0 && !p.later))
		answer_empty(req);
	else
		wait_start(o, req, (size_t)p.max, false);
}
