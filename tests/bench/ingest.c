/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench-ingest: sends the hub requests that were made before (bench-sign), over kept-alive TLS
 * connections.
 *
 *   bench-ingest --to ADDR:PORT --ca FILE --requests FILE [--connections N] [--skip N] [--count N]
 *                [--ms N] [--rate N] [--ahead N --copies N --counters FILE] [--times FILE]
 *
 * Without --rate a closed loop: every connection sends its next request when the one before is
 * answered. With it an open loop: so many a second, whether the hub keeps up or not; a request that
 * finds no connection free goes as soon as one is, and its time counts from when it was due.
 * --ahead keeps a hub busy without drowning it: no request goes while more than N events, each
 * delivered --copies times, have not arrived at the receiver that counts in --counters.
 *
 * Prints "ready" when it is connected, begins at a line on stdin, and ends with a line of JSON.
 * --times writes a line for each request: "DUE_NS ANSWERED_NS TXN", with the txn that the hub answered,
 * or "-".
 */
#include "tests/bench/share.h"
#include "tests/bench/wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#define EVENTS 256
#define TXN_MAX 40
#define WAIT_NS 500000LL     /* before looking again whether receivers have caught up */
#define LAST_NS 60000000000LL /* for the last answers */

struct conn {
	struct wire wire;
	uint32_t request;
	bool busy;
	struct conn *next_free;
};

struct times {
	int64_t due_ns, answered_ns;
	char txn[TXN_MAX];
};

struct load {
	int epoll;
	struct wire_target target;
	struct requests requests;
	struct conn *conns;
	struct conn *free;
	long connections;
	uint32_t first, next, end;
	int64_t began_ns, until_ns, step_ns; /* step 0: closed loop */
	long ahead, copies;
	const struct counters *arrived;
	uint64_t arrived_before;
	struct times *times;         /* of each request from first on */
	uint64_t accepted, refused, in_flight;
	int64_t last_ns;
};

static void give_back(struct load *l, struct conn *c)
{
	c->busy = false;
	c->next_free = l->free;
	l->free = c;
}

/* --- answers --------------------------------------------------------------------------------- */

/* The hub closes connections that it has not heard of for a minute. */
static void on_lost(struct load *l, struct conn *c)
{
	struct conn **at = &l->free;

	if (c->busy)
		share_die("bench-ingest: no answer to request %u, the connection is gone", c->request);
	while (*at != NULL && *at != c)
		at = &(*at)->next_free;
	if (*at == c)
		*at = c->next_free;
	wire_close(&c->wire);
	wire_open(&c->wire, l->epoll, &l->target);
}

static void note_answer(struct times *t, const struct conn *c, int64_t now)
{
	static const char name[] = "\"txn\":\"";
	const char *txn = strstr(c->wire.in + c->wire.body_at, name);
	size_t len = txn != NULL ? strcspn(txn + sizeof(name) - 1, "\"") : 0;

	t->answered_ns = now;
	if (len > 0 && len < sizeof(t->txn))
		memcpy(t->txn, txn + sizeof(name) - 1, len);
}

static void on_answer(struct load *l, struct conn *c)
{
	l->last_ns = share_now_ns();
	if (c->wire.status == 202)
		l->accepted++;
	else if (l->refused++ == 0)
		fprintf(stderr, "bench-ingest: %d: %s\n", c->wire.status, c->wire.in + c->wire.body_at);
	note_answer(&l->times[c->request - l->first], c, l->last_ns);
	l->in_flight--;
	wire_next(&c->wire);
	give_back(l, c);
}

static void on_event(struct load *l, struct conn *c)
{
	enum wire_got got = wire_step(&c->wire, l->epoll);

	if (got == WIRE_LOST)
		on_lost(l, c);
	if (got == WIRE_READY)
		give_back(l, c);
	if (got == WIRE_ANSWER && c->busy)
		on_answer(l, c);
}

/* --- sending --------------------------------------------------------------------------------- */

static void send_next(struct load *l, int64_t due_ns)
{
	struct conn *c = l->free;
	size_t len;
	const char *bytes = share_request(&l->requests, l->next, &len);

	l->free = c->next_free;
	c->busy = true;
	c->request = l->next++;
	l->in_flight++;
	l->times[c->request - l->first].due_ns = due_ns;
	if (wire_send(&c->wire, l->epoll, bytes, len) == WIRE_LOST)
		on_lost(l, c);
}

static bool too_far_ahead(const struct load *l)
{
	uint64_t arrived;

	if (l->arrived == NULL)
		return false;
	arrived = (atomic_load_explicit(&l->arrived->count, memory_order_acquire) - l->arrived_before) /
		  (uint64_t)l->copies;
	return l->next - l->first >= arrived + (uint64_t)l->ahead;
}

/* Sends what is due. Gives how long nothing will be, in nanoseconds; -1: until an answer comes. */
static int64_t send_due(struct load *l)
{
	int64_t now = share_now_ns();

	while (l->next < l->end && now < l->until_ns) {
		int64_t due = now;
		if (l->step_ns > 0)
			due = l->began_ns + (int64_t)(l->next - l->first) * l->step_ns;
		if (due > now)
			return due - now;
		if (too_far_ahead(l))
			return WAIT_NS;
		if (l->free == NULL)
			return -1;
		send_next(l, due);
		now = share_now_ns();
	}
	return -1;
}

static void wait_events(struct load *l, int64_t ns)
{
	struct timespec ts = { ns / 1000000000, ns % 1000000000 };
	struct epoll_event events[EVENTS];
	int n = epoll_pwait2(l->epoll, events, EVENTS, ns >= 0 ? &ts : NULL, NULL);

	if (n < 0 && errno != EINTR)
		share_die("epoll: %s", strerror(errno));
	for (int i = 0; i < n; i++)
		on_event(l, events[i].data.ptr);
}

static bool sending(const struct load *l)
{
	return l->next < l->end && share_now_ns() < l->until_ns;
}

static void run(struct load *l)
{
	while (sending(l)) {
		int64_t ns = send_due(l), left = l->until_ns - share_now_ns();
		wait_events(l, ns >= 0 && ns < left ? ns : left > 0 ? left : 0);
	}
	int64_t deadline = share_now_ns() + LAST_NS;
	while (l->in_flight > 0 && share_now_ns() < deadline)
		wait_events(l, deadline - share_now_ns());
}

/* --- beginning and end ----------------------------------------------------------------------- */

static void connect_all(struct load *l, const char *to, const char *ca)
{
	long open = 0;

	wire_target(&l->target, to, ca);
	l->conns = calloc((size_t)l->connections, sizeof(*l->conns));
	if (l->conns == NULL)
		share_die("out of memory");
	for (long i = 0; i < l->connections; i++)
		wire_open(&l->conns[i].wire, l->epoll, &l->target);
	while (open < l->connections) {
		wait_events(l, -1);
		open = 0;
		for (const struct conn *c = l->free; c != NULL; c = c->next_free)
			open++;
	}
}

static void take_options(struct load *l, char **argv)
{
	long skip = share_number(argv, "skip", 0), rate = share_number(argv, "rate", 0);
	long count = share_number(argv, "count", (long)l->requests.count - skip);
	const char *counters = share_option(argv, "counters", NULL);

	if (skip < 0 || count < 1 || skip + count > (long)l->requests.count)
		share_die("bench-ingest: there are %u requests", l->requests.count);
	l->first = l->next = (uint32_t)skip;
	l->end = (uint32_t)(skip + count);
	l->step_ns = rate > 0 ? 1000000000LL / rate : 0;
	l->ahead = share_number(argv, "ahead", 0);
	l->copies = share_number(argv, "copies", 1);
	if (counters != NULL && l->ahead > 0) {
		l->arrived = share_counters(counters);
		l->arrived_before = atomic_load(&l->arrived->count);
	}
	l->times = calloc((size_t)count, sizeof(*l->times));
	if (l->times == NULL || l->copies < 1)
		share_die("bench-ingest: options");
}

static void write_times(const struct load *l, const char *path)
{
	FILE *f = fopen(path, "w");

	if (f == NULL)
		share_die("%s: %s", path, strerror(errno));
	for (uint32_t i = 0; i < l->next - l->first; i++)
		fprintf(f, "%lld %lld %s\n", (long long)l->times[i].due_ns,
			(long long)l->times[i].answered_ns,
			l->times[i].txn[0] != '\0' ? l->times[i].txn : "-");
	if (fclose(f) != 0)
		share_die("%s: cannot be written", path);
}

int main(int argc, char **argv)
{
	const char *to = share_option(argv, "to", NULL), *ca = share_option(argv, "ca", NULL);
	const char *requests = share_option(argv, "requests", NULL);
	const char *times = share_option(argv, "times", NULL);
	struct load l = { .epoll = epoll_create1(EPOLL_CLOEXEC),
			  .connections = share_number(argv, "connections", 16) };
	char line[16];

	(void)argc;
	if (l.epoll < 0 || to == NULL || ca == NULL || requests == NULL || l.connections < 1)
		share_die("usage: bench-ingest --to ADDR:PORT --ca FILE --requests FILE ...");
	share_raise_limits();
	share_requests(requests, &l.requests);
	take_options(&l, argv);
	connect_all(&l, to, ca);
	puts("ready");
	fflush(stdout);
	if (fgets(line, sizeof(line), stdin) == NULL)
		return 1;
	l.began_ns = share_now_ns();
	l.until_ns = l.began_ns + share_number(argv, "ms", 3600000) * 1000000LL;
	run(&l);
	if (times != NULL)
		write_times(&l, times);
	printf("{\"sent\":%u,\"accepted\":%llu,\"refused\":%llu,\"unanswered\":%llu,"
	       "\"began_ns\":%lld,\"last_ns\":%lld}\n", l.next - l.first, (unsigned long long)l.accepted, (unsigned long long)l.refused,
	       (unsigned long long)l.in_flight, (long long)l.began_ns, (long long)l.last_ns);
	return 0;
}
