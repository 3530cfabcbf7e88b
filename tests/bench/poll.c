/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench-poll: holds a long poll (RFC 8936) over TLS on each of many streams.
 *
 *   bench-poll --to ADDR:PORT --ca FILE --streams FILE --counters FILE
 *
 * A line of the file of streams is "ID TOKEN". Counts the polls that wait ("open") and their answers
 * with SETs in them ("count"); when the last one came is the time of the last byte. A line on stdin
 * makes all that were answered poll again, with acknowledgements; ends when stdin does.
 */
#include "tests/bench/share.h"
#include "tests/bench/wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define EVENTS 256
#define SHAKING_MAX 64   /* handshakes at once */
#define LINE_MAX_LEN 512
#define ACK_MAX 64       /* bytes of a jti */

struct poller {
	struct wire wire;
	char *stream, *token;
	char *request;
	char *acks;              /* "jti","jti" */
	bool waiting;
};

struct pollers {
	int epoll;
	struct wire_target target;
	struct counters *counters;
	struct poller *all;
	size_t count, opened, shaken;
};

/* --- polling --------------------------------------------------------------------------------- */

static void lost(const struct poller *p, const char *why)
{
	share_die("bench-poll: stream %s: %s", p->stream, why);
}

static void poll_again(struct pollers *ps, struct poller *p)
{
	char *body;
	int len;

	if (asprintf(&body, "{\"returnImmediately\":false,\"ack\":[%s]}",
		     p->acks != NULL ? p->acks : "") < 0)
		share_die("out of memory");
	free(p->request);
	len = asprintf(&p->request, "POST /streams/%s/poll HTTP/1.1\r\nHost: localhost\r\n"
		       "Authorization: Bearer %s\r\nContent-Type: application/json\r\n"
		       "Content-Length: %zu\r\n\r\n%s", p->stream, p->token, strlen(body), body);
	free(body);
	free(p->acks);
	p->acks = NULL;
	if (len < 0)
		share_die("out of memory");
	p->waiting = true;
	if (wire_send(&p->wire, ps->epoll, p->request, (size_t)len) == WIRE_LOST)
		lost(p, "the connection is gone");
	atomic_fetch_add(&ps->counters->open, 1);
}

/* The names in "sets":{"JTI":"SET",...}: the hub writes no white space, and nothing in it is escaped. */
static void take_acks(struct poller *p, const char *body)
{
	static const char name[] = "\"sets\":{";
	const char *at = strstr(body, name);
	size_t len = 0, size = 0;

	if (at == NULL)
		lost(p, "an answer without sets");
	for (at += sizeof(name) - 1; *at == '"'; at += at[0] == ',') {
		const char *end = strchr(at + 1, '"');
		const char *set = end != NULL && end[1] == ':' && end[2] == '"' ? end + 3 : NULL;
		const char *set_end = set != NULL ? strchr(set, '"') : NULL;
		size_t jti = end != NULL ? (size_t)(end + 1 - at) : 0;
		if (set_end == NULL || jti > ACK_MAX)
			lost(p, "an answer that is not understood");
		if (len + jti + 2 > size) {
			size = size * 2 + jti + 2;
			p->acks = realloc(p->acks, size);
			if (p->acks == NULL)
				share_die("out of memory");
		}
		if (len > 0)
			p->acks[len++] = ',';
		memcpy(p->acks + len, at, jti);
		len += jti;
		p->acks[len] = '\0';
		at = set_end + 1;
	}
}

static void on_answer(struct pollers *ps, struct poller *p)
{
	if (p->wire.status != 200) {
		fprintf(stderr, "bench-poll: %d: %s\n", p->wire.status, p->wire.in + p->wire.body_at);
		lost(p, "an answer that is not 200");
	}
	p->waiting = false;
	atomic_fetch_sub(&ps->counters->open, 1);
	take_acks(p, p->wire.in + p->wire.body_at);
	wire_next(&p->wire);
	if (p->acks != NULL)
		share_count(ps->counters, 1);
	else
		poll_again(ps, p); /* the hub has let it wait for as long as it does */
}

/* --- connecting ------------------------------------------------------------------------------ */

static void open_more(struct pollers *ps)
{
	while (ps->opened < ps->count && ps->opened - ps->shaken < SHAKING_MAX)
		wire_open(&ps->all[ps->opened++].wire, ps->epoll, &ps->target);
}

static void on_event(struct pollers *ps, struct poller *p)
{
	enum wire_got got = wire_step(&p->wire, ps->epoll);

	if (got == WIRE_LOST)
		lost(p, "the hub has closed the connection");
	if (got == WIRE_READY) {
		ps->shaken++;
		poll_again(ps, p);
		open_more(ps);
	}
	if (got == WIRE_ANSWER)
		on_answer(ps, p);
}

/* --- beginning ------------------------------------------------------------------------------- */

static void read_streams(struct pollers *ps, const char *path)
{
	FILE *f = fopen(path, "r");
	char line[LINE_MAX_LEN];
	size_t size = 0;

	if (f == NULL)
		share_die("%s: %s", path, strerror(errno));
	while (fgets(line, sizeof(line), f) != NULL) {
		char *space = strchr(line, ' ');
		if (space == NULL)
			share_die("%s: a line that is not \"ID TOKEN\"", path);
		if (ps->count == size) {
			size = size * 2 + 1024;
			ps->all = realloc(ps->all, size * sizeof(*ps->all));
			if (ps->all == NULL)
				share_die("out of memory");
		}
		ps->all[ps->count++] = (struct poller){
			.stream = strndup(line, (size_t)(space - line)),
			.token = strndup(space + 1, strcspn(space + 1, "\n")),
		};
	}
	fclose(f);
}

/* A line: those that have their answers go on. False: the end. */
static bool on_stdin(struct pollers *ps)
{
	char buf[64];
	ssize_t n = read(STDIN_FILENO, buf, sizeof(buf));

	if (n <= 0)
		return false;
	for (size_t i = 0; i < ps->count; i++) {
		struct poller *p = &ps->all[i];
		if (p->acks != NULL && !p->waiting)
			poll_again(ps, p);
	}
	return true;
}

static void run(struct pollers *ps)
{
	struct epoll_event in = { .events = EPOLLIN, .data.ptr = NULL }, events[EVENTS];

	if (epoll_ctl(ps->epoll, EPOLL_CTL_ADD, STDIN_FILENO, &in) < 0)
		share_die("epoll: %s", strerror(errno));
	open_more(ps);
	for (;;) {
		int n = epoll_wait(ps->epoll, events, EVENTS, -1);
		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr != NULL)
				on_event(ps, events[i].data.ptr);
			else if (!on_stdin(ps))
				return;
		}
	}
}

int main(int argc, char **argv)
{
	const char *to = share_option(argv, "to", NULL), *ca = share_option(argv, "ca", NULL);
	const char *streams = share_option(argv, "streams", NULL);
	const char *counters = share_option(argv, "counters", NULL);
	struct pollers ps = { .epoll = epoll_create1(EPOLL_CLOEXEC) };

	(void)argc;
	if (ps.epoll < 0 || to == NULL || ca == NULL || streams == NULL || counters == NULL)
		share_die("usage: bench-poll --to ADDR:PORT --ca FILE --streams FILE --counters FILE");
	share_raise_limits();
	ps.counters = share_counters(counters);
	read_streams(&ps, streams);
	wire_target(&ps.target, to, ca);
	run(&ps);
	return 0;
}
