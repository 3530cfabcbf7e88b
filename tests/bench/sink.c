/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench-sink: a receiver of pushes (RFC 8935). Answers 202 to every POST, at once or after a delay, and
 * counts. It checks nothing: it shares the processor with what is measured, and has to cost little.
 *
 *   bench-sink --counters FILE [--addresses N] [--delay-us N] [--record FILE]
 *
 * Listens on one port of N loopback addresses, 127.1.0.1 and so on, each a host of its own to the hub.
 * Prints "port N"; ends when its stdin does. With --record it then writes a line for each request,
 * "NS OPENED_NS PATH TXN": when it was answered, since when its connection is there, its SET's txn.
 */
#include "lib/ssf/base64url.h"
#include "lib/ssf/buf.h"
#include "tests/bench/share.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_MAX (64 * 1024) /* of one request */
#define READ_FIRST 4096
#define EVENTS 256
#define CLAIMS_MAX (64 * 1024)

static const char answer[] = "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n";

enum what { WHAT_STDIN, WHAT_LISTENER, WHAT_CONN };

struct source {
	enum what what;
	int fd;
};

struct conn {
	struct source source;
	char *in;
	size_t len, size;
	size_t request;              /* bytes of the request that waits for its answer */
	int64_t due_ns;
	int64_t opened_ns;
	bool waiting;
	STAILQ_ENTRY(conn) link;     /* while it waits */
};

/* What was recorded of one request; path and SET lie behind it. */
struct record {
	STAILQ_ENTRY(record) link;
	int64_t ns, opened_ns;
	size_t path_len, set_len;
	char bytes[];
};

struct sink {
	int epoll;
	struct counters *counters;
	int64_t delay_ns;
	const char *record_path;
	STAILQ_HEAD(, conn) delayed; /* all by the same time: the first is due first */
	STAILQ_HEAD(, record) records;
};

static void watch(const struct sink *s, struct source *source, enum what what, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = source };

	*source = (struct source){ what, fd };
	if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &ev) < 0)
		share_die("epoll: %s", strerror(errno));
}

/* --- listening ------------------------------------------------------------------------------- */

static uint16_t listen_on(struct sink *s, long index, uint16_t port)
{
	const uint32_t host = (127U << 24) | (1U << 16) | (uint32_t)(index / 250) << 8 |
			      (uint32_t)(index % 250 + 1);
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(port),
				    .sin_addr.s_addr = htonl(host) };
	socklen_t len = sizeof(addr);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
	struct source *source = malloc(sizeof(*source));

	if (fd < 0 || source == NULL ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 1024) < 0 ||
	    getsockname(fd, (struct sockaddr *)&addr, &len) < 0)
		share_die("listen on address %ld: %s", index, strerror(errno));
	watch(s, source, WHAT_LISTENER, fd);
	return ntohs(addr.sin_port);
}

static void on_listener(struct sink *s, const struct source *listener)
{
	int fd, one = 1;

	while ((fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct conn *c = calloc(1, sizeof(*c));
		if (c == NULL || (c->in = malloc(READ_FIRST)) == NULL)
			share_die("out of memory");
		c->size = READ_FIRST;
		c->opened_ns = share_now_ns();
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		watch(s, &c->source, WHAT_CONN, fd);
		atomic_fetch_add(&s->counters->open, 1);
	}
}

static void conn_close(struct sink *s, struct conn *c)
{
	if (c->waiting) {
		STAILQ_REMOVE(&s->delayed, c, conn, link);
		atomic_fetch_add(&s->counters->failed, 1);
	}
	atomic_fetch_sub(&s->counters->open, 1);
	close(c->source.fd);
	free(c->in);
	free(c);
}

/* --- requests -------------------------------------------------------------------------------- */

static size_t content_length(const char *head, const char *end)
{
	static const char name[] = "content-length:";

	for (const char *line = head; line < end;) {
		const char *next = memchr(line, '\n', (size_t)(end - line));
		if (next == NULL)
			break;
		if (next - line > (long)sizeof(name) && strncasecmp(line, name, sizeof(name) - 1) == 0)
			return strtoul(line + sizeof(name) - 1, NULL, 10);
		line = next + 1;
	}
	return 0;
}

/* Bytes of the request at the beginning of what was read; 0: not all of it is there. */
static size_t whole_request(const struct conn *c, size_t *body_at)
{
	const char *end = memmem(c->in, c->len, "\r\n\r\n", 4);
	size_t all;

	if (end == NULL)
		return 0;
	end += 4;
	*body_at = (size_t)(end - c->in);
	all = *body_at + content_length(c->in, end);
	return all <= c->len ? all : 0;
}

/* What is between the first two of mark; nothing if there are not two. */
static struct ssf_str between(struct ssf_str in, char mark)
{
	const char *first = memchr(in.ptr, mark, in.len);
	size_t left = first != NULL ? in.len - (size_t)(first + 1 - in.ptr) : 0;
	const char *second = first != NULL ? memchr(first + 1, mark, left) : NULL;

	if (second == NULL)
		return (struct ssf_str){ "", 0 };
	return (struct ssf_str){ first + 1, (size_t)(second - first - 1) };
}

static void record(struct sink *s, const struct conn *c, size_t body_at)
{
	struct ssf_str path = between((struct ssf_str){ c->in, body_at }, ' ');
	size_t set_len = c->request - body_at;
	struct record *r = malloc(sizeof(*r) + path.len + set_len);

	if (r == NULL)
		share_die("out of memory");
	r->ns = share_now_ns();
	r->opened_ns = c->opened_ns;
	r->path_len = path.len;
	r->set_len = set_len;
	if (path.len > 0)
		memcpy(r->bytes, path.ptr, path.len);
	memcpy(r->bytes + path.len, c->in + body_at, set_len);
	STAILQ_INSERT_TAIL(&s->records, r, link);
}

/* Answers what waits; false: the connection is of no more use. */
static bool conn_answer(struct sink *s, struct conn *c)
{
	size_t rest = c->len - c->request;

	if (write(c->source.fd, answer, sizeof(answer) - 1) != (ssize_t)sizeof(answer) - 1)
		return false;
	share_count(s->counters, 1);
	memmove(c->in, c->in + c->request, rest);
	c->len = rest;
	c->request = 0;
	return true;
}

static bool conn_take(struct sink *s, struct conn *c)
{
	size_t body_at = 0;

	while (!c->waiting && (c->request = whole_request(c, &body_at)) > 0) {
		if (s->record_path != NULL)
			record(s, c, body_at);
		if (s->delay_ns > 0) {
			c->waiting = true;
			c->due_ns = share_now_ns() + s->delay_ns;
			STAILQ_INSERT_TAIL(&s->delayed, c, link);
		} else if (!conn_answer(s, c)) {
			return false;
		}
	}
	return true;
}

static bool conn_read(struct sink *s, struct conn *c)
{
	ssize_t n = read(c->source.fd, c->in + c->len, c->size - c->len);

	if (n <= 0)
		return n < 0 && (errno == EAGAIN || errno == EINTR);
	c->len += (size_t)n;
	if (!conn_take(s, c))
		return false;
	if (c->len == c->size) {
		char *more = c->size < READ_MAX ? realloc(c->in, c->size * 2) : NULL;
		if (more == NULL)
			return false;
		c->in = more;
		c->size *= 2;
	}
	return true;
}

/* --- delays ---------------------------------------------------------------------------------- */

static void answer_due(struct sink *s)
{
	struct conn *c;
	int64_t now = share_now_ns();

	while ((c = STAILQ_FIRST(&s->delayed)) != NULL && c->due_ns <= now) {
		STAILQ_REMOVE_HEAD(&s->delayed, link);
		c->waiting = false;
		if (!conn_answer(s, c) || !conn_take(s, c))
			conn_close(s, c);
	}
}

static int wait_events(const struct sink *s, struct epoll_event *events)
{
	const struct conn *c = STAILQ_FIRST(&s->delayed);
	int64_t left = c != NULL ? c->due_ns - share_now_ns() : 0;
	struct timespec ts = { left / 1000000000, left % 1000000000 };

	if (c != NULL && left <= 0)
		return epoll_wait(s->epoll, events, EVENTS, 0);
	return epoll_pwait2(s->epoll, events, EVENTS, c != NULL ? &ts : NULL, NULL);
}

/* --- the end --------------------------------------------------------------------------------- */

/* The txn in the claims of a SET, which are JSON of ours without white space. */
static void print_txn(FILE *f, const char *set, size_t len)
{
	static const char name[] = "\"txn\":\"";
	struct ssf_str payload = between((struct ssf_str){ set, len }, '.');
	ssf_auto_buf claims = SSF_BUF(CLAIMS_MAX);
	const char *txn;

	if (payload.len == 0 || ssf_base64url_decode(payload, &claims, NULL) < 0 ||
	    (txn = memmem(claims.ptr, claims.len, name, sizeof(name) - 1)) == NULL) {
		fputs("-\n", f);
		return;
	}
	txn += sizeof(name) - 1;
	fprintf(f, "%.*s\n", (int)strcspn(txn, "\""), txn);
}

static void write_records(const struct sink *s)
{
	FILE *f = fopen(s->record_path, "w");
	const struct record *r;

	if (f == NULL)
		share_die("%s: %s", s->record_path, strerror(errno));
	STAILQ_FOREACH(r, &s->records, link) {
		fprintf(f, "%lld %lld %.*s ", (long long)r->ns, (long long)r->opened_ns,
			(int)r->path_len, r->bytes);
		print_txn(f, r->bytes + r->path_len, r->set_len);
	}
	if (fclose(f) != 0)
		share_die("%s: cannot be written", s->record_path);
}

static void on_conn(struct sink *s, struct conn *c)
{
	if (!conn_read(s, c))
		conn_close(s, c);
}

static void run(struct sink *s)
{
	struct epoll_event events[EVENTS];

	for (;;) {
		int n = wait_events(s, events);
		for (int i = 0; i < n; i++) {
			struct source *source = events[i].data.ptr;
			if (source->what == WHAT_STDIN)
				return;
			if (source->what == WHAT_LISTENER)
				on_listener(s, source);
			else
				on_conn(s, (struct conn *)(void *)source);
		}
		answer_due(s); /* last: it may close what an event is about */
	}
}

int main(int argc, char **argv)
{
	const char *counters = share_option(argv, "counters", NULL);
	long addresses = share_number(argv, "addresses", 1);
	struct sink s = { .epoll = epoll_create1(EPOLL_CLOEXEC),
			  .delay_ns = share_number(argv, "delay-us", 0) * 1000,
			  .record_path = share_option(argv, "record", NULL) };
	struct source in;
	uint16_t port;

	(void)argc;
	if (s.epoll < 0 || counters == NULL || addresses < 1 || addresses > 60000)
		share_die("usage: bench-sink --counters FILE [--addresses N] [--delay-us N] "
			  "[--record FILE]");
	share_raise_limits();
	s.counters = share_counters(counters);
	STAILQ_INIT(&s.delayed);
	STAILQ_INIT(&s.records);
	port = listen_on(&s, 0, 0);
	for (long i = 1; i < addresses; i++)
		listen_on(&s, i, port);
	watch(&s, &in, WHAT_STDIN, STDIN_FILENO);
	printf("port %u\n", port);
	fflush(stdout);
	run(&s);
	if (s.record_path != NULL)
		write_records(&s);
	return 0;
}
