/* SPDX-License-Identifier: Apache-2.0 */
/*
 * closed -> (FAILURES in a row) open -> (backoff) half-open -> reached: closed, not: open, for longer.
 * While it is half-open the streams that have something to send take turns: one that cannot, or whose
 * delivery never gets as far as the network, must not keep the others from it.
 */
#include "hub/deliver/endpoint.h"

#include "hub/deliver/deliver_priv.h"
#include "lib/kit/log.h"

#include <openssl/rand.h>

#include <stdlib.h>
#include <string.h>

#define FAILURES 5
#define TURN_MS 100 /* for a probe to begin in */

struct endpoint {
	LIST_ENTRY(endpoint) link;
	struct deliver *deliver;
	char *origin;
	TAILQ_HEAD(, outlet) outlets; /* whose turn was longest ago first */
	enum circuit circuit;
	unsigned failures;        /* in a row */
	unsigned opened;          /* in a row */
	bool probing;
	struct outlet *turn;      /* of the half-open; NULL: anybody's */
	struct loop_timer *timer; /* while it is open, and for a turn */
};

const char *circuit_name(enum circuit c)
{
	static const char *const names[] = { "closed", "open", "half-open" };

	return names[c];
}

/* "https://host:port" of a URL that the guard has accepted. */
static size_t origin_len(const char *url)
{
	const char *host = strstr(url, "://");

	return host != NULL ? (size_t)(host - url) + 3 + strcspn(host + 3, "/?#") : strlen(url);
}

static struct endpoint *endpoint_find(struct deliver *d, const char *origin)
{
	struct endpoint *ep;

	LIST_FOREACH(ep, &d->endpoints, link) {
		if (strcmp(ep->origin, origin) == 0)
			return ep;
	}
	return NULL;
}

static struct endpoint *endpoint_new(struct deliver *d, char *origin)
{
	struct endpoint *ep = calloc(1, sizeof(*ep));

	if (ep == NULL) {
		free(origin);
		return NULL;
	}
	ep->deliver = d;
	ep->origin = origin;
	TAILQ_INIT(&ep->outlets);
	LIST_INSERT_HEAD(&d->endpoints, ep, link);
	return ep;
}

int endpoint_join(struct outlet *o)
{
	const char *url = o->stream->endpoint;
	char *origin = strndup(url, origin_len(url));
	struct endpoint *ep = origin != NULL ? endpoint_find(o->deliver, origin) : NULL;

	if (origin == NULL)
		return -1;
	if (ep != NULL)
		free(origin);
	else if ((ep = endpoint_new(o->deliver, origin)) == NULL)
		return -1;
	TAILQ_INSERT_TAIL(&ep->outlets, o, endpoint_link);
	o->endpoint = ep;
	return 0;
}

void endpoint_leave(struct outlet *o)
{
	struct endpoint *ep = o->endpoint;

	if (ep == NULL)
		return;
	TAILQ_REMOVE(&ep->outlets, o, endpoint_link);
	o->endpoint = NULL;
	if (ep->turn == o)
		ep->turn = NULL;
	if (!TAILQ_EMPTY(&ep->outlets))
		return;
	LIST_REMOVE(ep, link);
	loop_timer_cancel(ep->timer);
	free(ep->origin);
	free(ep);
}

enum circuit endpoint_circuit(const struct endpoint *ep)
{
	return ep->circuit;
}

bool endpoint_admits(const struct outlet *o)
{
	const struct endpoint *ep = o->endpoint;

	return ep->circuit == CIRCUIT_CLOSED ||
	       (ep->circuit == CIRCUIT_HALF_OPEN && !ep->probing && (ep->turn == NULL || ep->turn == o));
}

bool endpoint_begin(struct outlet *o)
{
	struct endpoint *ep = o->endpoint;

	if (ep->circuit != CIRCUIT_HALF_OPEN)
		return false;
	ep->probing = true;
	return true;
}

/* All that wait for the circuit need not wait any longer. */
static void hurry_all(struct endpoint *ep)
{
	struct outlet *o;

	TAILQ_FOREACH(o, &ep->outlets, endpoint_link) {
		push_hurry(o);
		push_kick(o);
	}
}

/* The next one that has something to send; it is the last one from here on. */
static struct outlet *take_turn(struct endpoint *ep)
{
	struct outlet *o;

	TAILQ_FOREACH(o, &ep->outlets, endpoint_link) {
		if (o->waiting_retries > 0 || !TAILQ_EMPTY(&o->lanes.ready))
			break;
	}
	if (o != NULL) {
		TAILQ_REMOVE(&ep->outlets, o, endpoint_link);
		TAILQ_INSERT_TAIL(&ep->outlets, o, endpoint_link);
	}
	return o;
}

static void on_turn(void *arg)
{
	struct endpoint *ep = arg;

	ep->timer = NULL;
	if (ep->probing)
		return;
	ep->turn = take_turn(ep);
	if (ep->turn == NULL)
		return; /* whoever has something first */
	push_hurry(ep->turn);
	push_kick(ep->turn);
	ep->timer = loop_timer_start(ep->deliver->loop, TURN_MS, on_turn, ep);
	if (ep->timer == NULL)
		ep->turn = NULL;
}

static void on_half_open(void *arg)
{
	struct endpoint *ep = arg;

	ep->circuit = CIRCUIT_HALF_OPEN;
	ep->probing = false;
	on_turn(ep);
}

static void circuit_open(struct endpoint *ep)
{
	const struct deliver_conf *conf = &ep->deliver->conf;
	int64_t ms = push_backoff_ms(conf, ep->opened++);

	/* not less than the least: the probe comes after what has just failed */
	ms = ms > conf->retry_min_ms ? ms : conf->retry_min_ms;
	if (ep->circuit == CIRCUIT_CLOSED)
		log_warn("deliver.circuit.opened", log_str("endpoint", ep->origin),
			 log_int("failures", ep->failures));
	ep->probing = false;
	ep->turn = NULL;
	loop_timer_cancel(ep->timer);
	ep->timer = loop_timer_start(ep->deliver->loop, ms, on_half_open, ep);
	ep->circuit = ep->timer != NULL ? CIRCUIT_OPEN : CIRCUIT_HALF_OPEN;
}

static void circuit_close(struct endpoint *ep)
{
	log_info("deliver.circuit.closed", log_str("endpoint", ep->origin));
	loop_timer_cancel(ep->timer);
	ep->timer = NULL;
	ep->turn = NULL;
	ep->circuit = CIRCUIT_CLOSED;
	ep->probing = false;
	ep->opened = 0;
	hurry_all(ep);
}

void endpoint_result(struct endpoint *ep, bool reached)
{
	if (reached) {
		ep->failures = 0;
		if (ep->circuit != CIRCUIT_CLOSED)
			circuit_close(ep);
		return;
	}
	ep->failures++;
	/* while it is open, what was under way before may still fail */
	if (ep->circuit == CIRCUIT_HALF_OPEN || (ep->circuit == CIRCUIT_CLOSED && ep->failures >= FAILURES))
		circuit_open(ep);
}

void endpoint_probe_cancelled(struct endpoint *ep)
{
	if (ep->circuit == CIRCUIT_HALF_OPEN)
		circuit_open(ep);
}

struct deliver_circuits deliver_circuits(const struct deliver *d)
{
	struct deliver_circuits n = { 0 };
	const struct endpoint *ep;

	LIST_FOREACH(ep, &d->endpoints, link) {
		n.closed += ep->circuit == CIRCUIT_CLOSED;
		n.open += ep->circuit == CIRCUIT_OPEN;
		n.half_open += ep->circuit == CIRCUIT_HALF_OPEN;
	}
	return n;
}
