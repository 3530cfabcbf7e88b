/* SPDX-License-Identifier: Apache-2.0 */
/* Owns the endpoints: one exists as long as it has members. */
#include "hub/deliver/push/endpoint.h"

#include "lib/kit/backoff.h"
#include "lib/kit/log.h"

#include <stdlib.h>
#include <string.h>

#define FAILURES_MAX 5 /* in a row */
#define TURN_MS 100    /* for the probe to begin in */

struct endpoint {
	struct endpoints *all;
	char *origin;
	TAILQ_HEAD(, endpoint_member) members; /* whose turn was longest ago first */
	enum circuit circuit;
	unsigned failures;                     /* in a row */
	unsigned opened;                       /* in a row */
	bool probing;
	struct endpoint_member *turn;          /* may send the probe; NULL: any member */
	struct loop_timer *timer;              /* until half-open, or of a turn */
};

const char *circuit_name(enum circuit c)
{
	static const char *const names[] = { "closed", "open", "half-open" };

	return names[c];
}

static struct ssf_str origin_of(const void *entry)
{
	const struct endpoint *const *ep = entry;

	return ssf_str_c((*ep)->origin);
}

static const struct hashmap_type by_origin = { .size = sizeof(struct endpoint *), .key = origin_of };

void endpoints_init(struct endpoints *all, struct loop *loop, int64_t retry_min_ms, int64_t retry_max_ms)
{
	*all = (struct endpoints){ .loop = loop, .retry_min_ms = retry_min_ms, .retry_max_ms = retry_max_ms,
				   .by_origin = HASHMAP(&by_origin) };
}

void endpoints_done(struct endpoints *all)
{
	hashmap_done(&all->by_origin);
}

/* "https://host:port" of a URL that the egress policy has accepted. */
static struct ssf_str url_origin(const char *url)
{
	const char *host = strstr(url, "://");
	size_t len = host != NULL ? (size_t)(host - url) + 3 + strcspn(host + 3, "/?#") : strlen(url);

	return (struct ssf_str){ url, len };
}

static void set_circuit(struct endpoint *ep, enum circuit c)
{
	ep->all->circuits[ep->circuit]--;
	ep->circuit = c;
	ep->all->circuits[c]++;
}

static struct endpoint *endpoint_new(struct endpoints *all, struct ssf_str origin)
{
	struct endpoint *ep = calloc(1, sizeof(*ep)), **at = NULL;
	bool is_new;

	if (ep != NULL && (ep->origin = ssf_str_dup(origin)) != NULL)
		at = hashmap_put(&all->by_origin, ssf_str_c(ep->origin), &is_new);
	if (at == NULL) {
		if (ep != NULL)
			free(ep->origin);
		free(ep);
		return NULL;
	}
	*at = ep;
	ep->all = all;
	TAILQ_INIT(&ep->members);
	all->circuits[CIRCUIT_CLOSED]++;
	return ep;
}

int endpoint_join(struct endpoints *all, const char *url, struct endpoint_member *m)
{
	struct ssf_str origin = url_origin(url);
	struct endpoint **at = hashmap_find(&all->by_origin, origin);
	struct endpoint *ep = at != NULL ? *at : endpoint_new(all, origin);

	if (ep == NULL)
		return -1;
	TAILQ_INSERT_TAIL(&ep->members, m, link);
	m->endpoint = ep;
	return 0;
}

void endpoint_leave(struct endpoint_member *m)
{
	struct endpoint *ep = m->endpoint;

	if (ep == NULL)
		return;
	TAILQ_REMOVE(&ep->members, m, link);
	m->endpoint = NULL;
	if (ep->turn == m)
		ep->turn = NULL;
	if (!TAILQ_EMPTY(&ep->members))
		return;
	ep->all->circuits[ep->circuit]--;
	hashmap_remove(&ep->all->by_origin, hashmap_find(&ep->all->by_origin, ssf_str_c(ep->origin)));
	loop_timer_cancel(ep->timer);
	free(ep->origin);
	free(ep);
}

enum circuit endpoint_circuit(const struct endpoint_member *m)
{
	return m->endpoint->circuit;
}

bool endpoint_admits(const struct endpoint_member *m)
{
	const struct endpoint *ep = m->endpoint;

	return ep->circuit == CIRCUIT_CLOSED ||
	       (ep->circuit == CIRCUIT_HALF_OPEN && !ep->probing && (ep->turn == NULL || ep->turn == m));
}

bool endpoint_begin(struct endpoint_member *m)
{
	struct endpoint *ep = m->endpoint;

	if (ep->circuit != CIRCUIT_HALF_OPEN)
		return false;
	ep->probing = true;
	return true;
}

/* --- half-open -------------------------------------------------------------------------------- */

/* The next member that has something to send; it is the last in line from then on. */
static struct endpoint_member *next_turn(struct endpoint *ep)
{
	struct endpoint_member *m;

	TAILQ_FOREACH(m, &ep->members, link) {
		if (m->has_work(m))
			break;
	}
	if (m != NULL) {
		TAILQ_REMOVE(&ep->members, m, link);
		TAILQ_INSERT_TAIL(&ep->members, m, link);
	}
	return m;
}

static void on_turn(void *arg)
{
	struct endpoint *ep = arg;

	ep->timer = NULL;
	if (ep->probing)
		return;
	ep->turn = next_turn(ep);
	if (ep->turn == NULL)
		return; /* the first one that has something */
	ep->turn->retry_now(ep->turn);
	ep->timer = loop_timer_start(ep->all->loop, TURN_MS, on_turn, ep);
	if (ep->timer == NULL)
		ep->turn = NULL;
}

static void on_half_open(void *arg)
{
	struct endpoint *ep = arg;

	set_circuit(ep, CIRCUIT_HALF_OPEN);
	ep->probing = false;
	on_turn(ep);
}

/* --- results ---------------------------------------------------------------------------------- */

static void open_circuit(struct endpoint *ep)
{
	const struct endpoints *all = ep->all;
	int64_t ms = backoff_full_ms(all->retry_min_ms, all->retry_max_ms, ++ep->opened);

	if (ep->circuit == CIRCUIT_CLOSED)
		log_warn("deliver.circuit.opened", log_str("endpoint", ep->origin), log_int("failures", ep->failures));
	ep->probing = false;
	ep->turn = NULL;
	loop_timer_cancel(ep->timer);
	/* not at once: the probe comes after what has just failed */
	ep->timer = loop_timer_start(all->loop, ms > all->retry_min_ms ? ms : all->retry_min_ms, on_half_open, ep);
	set_circuit(ep, ep->timer != NULL ? CIRCUIT_OPEN : CIRCUIT_HALF_OPEN);
}

static void close_circuit(struct endpoint *ep)
{
	struct endpoint_member *m;

	log_info("deliver.circuit.closed", log_str("endpoint", ep->origin));
	loop_timer_cancel(ep->timer);
	ep->timer = NULL;
	ep->turn = NULL;
	ep->probing = false;
	ep->opened = 0;
	set_circuit(ep, CIRCUIT_CLOSED);
	TAILQ_FOREACH(m, &ep->members, link)
		m->retry_now(m); /* what waits for the circuit need not wait any longer */
}

void endpoint_result(struct endpoint_member *m, bool reached)
{
	struct endpoint *ep = m->endpoint;

	if (reached) {
		ep->failures = 0;
		if (ep->circuit != CIRCUIT_CLOSED)
			close_circuit(ep);
		return;
	}
	ep->failures++;
	/* while it is open, pushes that were in flight before may still fail */
	if (ep->circuit == CIRCUIT_HALF_OPEN || (ep->circuit == CIRCUIT_CLOSED && ep->failures >= FAILURES_MAX))
		open_circuit(ep);
}

void endpoint_probe_cancelled(struct endpoint_member *m)
{
	if (m->endpoint->circuit == CIRCUIT_HALF_OPEN)
		open_circuit(m->endpoint);
}
