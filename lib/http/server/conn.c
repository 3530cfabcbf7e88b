/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections are kept in a list for each state, in the order in which they entered it: as all in a list have the
 * same time to spend there, only the first ones can be late.
 *
 * A handler may answer from inside request(), and with that end the connection that is being read. So a connection
 * that is busy is only marked as dead, and freed by the function that made it busy.
 */
#include "lib/http/server/conn.h"

#include "lib/http/server/response.h"
#include "lib/http/stream.h"
#include "lib/kit/log.h"
#include "lib/ssf/attr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#define LINGER_MS 1000
#define READ_SIZE 16384
#define READS_PER_TURN 16   /* then other connections have their turn */
#define PENDING_MAX 16384   /* of later requests, while one is handled; more waits in the kernel */

enum conn_state {
	CONN_HANDSHAKE,
	CONN_IDLE,
	CONN_READING,
	CONN_HANDLING,
	CONN_WRITING,
	CONN_LINGERING,
	CONN_STATES,
};

TAILQ_HEAD(conn_list, http_conn);

struct http_conn {
	TAILQ_ENTRY(http_conn) link;  /* in the list of its state */
	struct http_conn_set *set;
	enum conn_state state;
	int64_t since_ms;             /* it is in this state; in CONN_WRITING, of the last progress */
	struct stream stream;
	struct http_request_parser parser;
	struct ssf_buf pending;       /* received, and not parsed: later requests */
	size_t parsed;                /* bytes at the beginning of pending that are done with */
	struct ssf_buf out;
	size_t sent;                  /* of out */
	bool keep;                    /* in CONN_WRITING: the connection goes on after the answer */
	bool eof;                     /* the client sends no more */
	bool busy, dead;
	http_conn_gone_f *gone;
	void *gone_arg;
	struct loop_defer *read_again;
	char peer[INET6_ADDRSTRLEN];
};

struct http_conn_set {
	struct http_conn_conf conf;
	struct conn_list lists[CONN_STATES];
	size_t count;
	bool draining, freeing;
};

static void conn_parse_pending(struct http_conn *c);
static void read_again_if_buffered(struct http_conn *c);

static void set_state(struct http_conn *c, enum conn_state state)
{
	TAILQ_REMOVE(&c->set->lists[c->state], c, link);
	c->state = state;
	c->since_ms = loop_now_ms();
	TAILQ_INSERT_TAIL(&c->set->lists[state], c, link);
}

/* --- the end of a connection ------------------------------------------------------------------------------- */

static void conn_release(struct http_conn *c)
{
	http_request_parser_done(&c->parser);
	ssf_buf_done(&c->pending);
	ssf_buf_done(&c->out);
	free(c);
}

/* A request that is being handled is told. */
static void conn_close(struct http_conn *c)
{
	struct http_conn_set *s = c->set;
	http_conn_gone_f *gone = c->gone;
	void *gone_arg = c->gone_arg;

	if (c->dead)
		return;
	c->gone = NULL;
	TAILQ_REMOVE(&s->lists[c->state], c, link);
	loop_defer_cancel(c->read_again);
	stream_close(&c->stream);
	c->dead = true;
	s->count--;
	if (!c->busy)
		conn_release(c);
	if (gone != NULL)
		gone(gone_arg, true);
	if (!s->freeing)
		s->conf.freed(s->conf.arg);
}

/* Runs until the client has closed too, or LINGER_MS: unread input would make the kernel send a reset instead. */
static void begin_linger(struct http_conn *c)
{
	loop_defer_cancel(c->read_again);
	c->read_again = NULL;
	stream_finish(&c->stream);
	stream_pause_write(&c->stream);
	if (c->eof || c->set->freeing || stream_watch_read(&c->stream) < 0) {
		conn_close(c);
		return;
	}
	ssf_buf_done(&c->pending);
	set_state(c, CONN_LINGERING);
}

/* --- answers ----------------------------------------------------------------------------------------------- */

static void begin_next_request(struct http_conn *c)
{
	http_request_parser_done(&c->parser);
	http_request_parser_init(&c->parser, c->set->conf.max_head, c->set->conf.max_body);
	set_state(c, CONN_IDLE);
}

/* False: the connection has ended. */
static bool flush(struct http_conn *c)
{
	size_t before = c->sent;
	enum stream_result r = stream_write(&c->stream, c->out.ptr + c->sent, c->out.len - c->sent, &c->sent);

	if (r == STREAM_LOST) {
		conn_close(c);
		return false;
	}
	if (r == STREAM_WAIT) {
		if (c->state == CONN_WRITING && c->sent > before)
			set_state(c, CONN_WRITING); /* progress: its time begins again */
		return true;
	}
	ssf_buf_done(&c->out);
	c->sent = 0;
	if (c->state != CONN_WRITING) /* it was 100 Continue */
		return true;
	if (!c->keep) {
		begin_linger(c);
		return false;
	}
	begin_next_request(c);
	return true;
}

void http_conn_answer(struct http_conn *c, struct ssf_buf *bytes, bool keep)
{
	c->gone = NULL;
	c->keep = keep;
	set_state(c, CONN_WRITING);
	if (c->out.len == 0) {
		ssf_buf_done(&c->out);
		c->out = *bytes;
		*bytes = (struct ssf_buf){ .max = 0 };
	} else { /* 100 Continue is still on its way */
		c->out.max = SIZE_MAX / 2;
		ssf_buf_add(&c->out, bytes->ptr, bytes->len);
		ssf_buf_done(bytes);
	}
	if (ssf_buf_failed(&c->out) || c->out.len == 0) {
		conn_close(c);
		return;
	}
	if (flush(c) && c->state == CONN_IDLE && !c->busy)
		conn_parse_pending(c);
}

static void refuse(struct http_conn *c, int status, const struct ssf_err *err)
{
	ssf_auto_buf answer = SSF_BUF(8192);
	bool head_only = c->parser.message.method != NULL && strcmp(c->parser.message.method, "HEAD") == 0;

	log_debug("http.request.refused", log_why(err));
	c->set->conf.refused(c->set->conf.arg, status);
	if (http_response_compose_error(status, err, head_only, &answer) < 0)
		conn_close(c);
	else
		http_conn_answer(c, &answer, false);
}

static bool send_continue(struct http_conn *c)
{
	c->parser.expects_continue = false;
	ssf_buf_init(&c->out, 64);
	ssf_buf_adds(&c->out, "HTTP/1.1 100 Continue\r\n\r\n");
	return !ssf_buf_failed(&c->out) && flush(c);
}

/* --- requests ---------------------------------------------------------------------------------------------- */

static void begin_handling(struct http_conn *c)
{
	struct http_message m = c->parser.message;

	c->parser.message = (struct http_message){ .method = NULL };
	set_state(c, CONN_HANDLING);
	c->set->conf.request(c->set->conf.arg, c, &m, c->eof);
}

/* Takes bytes of requests, one after the other, up to one that is not answered at once. Gives back what is left. */
static struct ssf_str conn_parse(struct http_conn *c, struct ssf_str in)
{
	c->busy = true;
	while (!c->dead && in.len > 0 && (c->state == CONN_IDLE || c->state == CONN_READING)) {
		enum http_request_next next;
		struct ssf_err err;
		size_t used;

		if (c->state == CONN_IDLE)
			set_state(c, CONN_READING);
		if (http_request_parser_feed(&c->parser, in, &used, &next, &err) < 0) {
			in.len = 0;
			refuse(c, c->parser.refused, &err);
			break;
		}
		in.ptr += used;
		in.len -= used;
		if (next == HTTP_REQUEST_WHOLE)
			begin_handling(c);
		else if (next == HTTP_REQUEST_HEAD && c->parser.expects_continue && in.len == 0)
			send_continue(c);
		else if (!http_request_parser_has_begun(&c->parser))
			set_state(c, CONN_IDLE); /* nothing but an empty line has come */
	}
	c->busy = false;
	return in;
}

static size_t pending_len(const struct http_conn *c)
{
	return c->pending.len - c->parsed;
}

/* What a client has sent ahead, after its earlier request was answered. */
static void conn_parse_pending(struct http_conn *c)
{
	struct ssf_str rest = ssf_buf_str(&c->pending);

	rest.ptr += c->parsed;
	rest.len -= c->parsed;
	rest = conn_parse(c, rest);
	if (c->dead) {
		conn_release(c);
		return;
	}
	if (c->state == CONN_LINGERING)
		return;
	c->parsed = c->pending.len - rest.len;
	if (rest.len == 0) {
		ssf_buf_done(&c->pending);
		ssf_buf_init(&c->pending, 2 * PENDING_MAX);
		c->parsed = 0;
	}
	if (c->eof && (c->state == CONN_IDLE || c->state == CONN_READING)) {
		begin_linger(c); /* all that the client had sent has been answered */
		return;
	}
	if (!c->eof && c->stream.read == NULL && pending_len(c) < PENDING_MAX) {
		if (stream_watch_read(&c->stream) < 0)
			conn_close(c);
		else
			read_again_if_buffered(c);
	}
}

/* False: the connection has ended, or reads no more for now. */
static bool conn_take(struct http_conn *c, struct ssf_str bytes)
{
	struct ssf_str rest = pending_len(c) == 0 ? conn_parse(c, bytes) : bytes;

	if (c->dead) {
		conn_release(c);
		return false;
	}
	if (rest.len == 0 || c->state == CONN_LINGERING)
		return c->state != CONN_LINGERING;
	if (c->parsed > 0) { /* room for what is to come */
		memmove(c->pending.ptr, c->pending.ptr + c->parsed, pending_len(c));
		c->pending.len -= c->parsed;
		c->parsed = 0;
	}
	if (ssf_buf_add(&c->pending, rest.ptr, rest.len) < 0) {
		conn_close(c);
		return false;
	}
	if (pending_len(c) < PENDING_MAX)
		return true;
	stream_pause_read(&c->stream);
	return false;
}

static void conn_eof(struct http_conn *c)
{
	http_conn_gone_f *gone = c->gone;

	c->eof = true;
	stream_pause_read(&c->stream);
	if (c->state == CONN_HANDSHAKE || c->state == CONN_IDLE || c->state == CONN_READING)
		conn_close(c);
	else if (gone != NULL)
		gone(c->gone_arg, false); /* it may answer: c may be dead now */
}

static void conn_read(struct http_conn *c)
{
	char bytes[READ_SIZE];
	bool more = true;

	for (int i = 0; i < READS_PER_TURN && more; i++) {
		size_t len;

		switch (stream_read(&c->stream, bytes, sizeof(bytes), &len, &more)) {
		case STREAM_DONE:
			if (!conn_take(c, (struct ssf_str){ bytes, len }))
				return;
			more = more || len == sizeof(bytes);
			break;
		case STREAM_WAIT:
			return;
		case STREAM_EOF:
			conn_eof(c);
			return;
		case STREAM_LOST:
			conn_close(c);
			return;
		}
	}
	read_again_if_buffered(c);
}

static void on_read_again(void *arg)
{
	struct http_conn *c = arg;

	c->read_again = NULL;
	if (c->stream.read != NULL)
		conn_read(c);
}

/* Of bytes that TLS has already read no watch would tell. */
static void read_again_if_buffered(struct http_conn *c)
{
	if (stream_has_buffered(&c->stream) && c->read_again == NULL)
		c->read_again = loop_defer_start(c->set->conf.loop, on_read_again, c);
}

/* Reads too when only writing has become possible: TLS may have waited for that in order to read. */
static void on_ready(void *arg, bool readable, bool writable)
{
	struct http_conn *c = arg;

	(void)writable;
	if (c->state == CONN_LINGERING) {
		if (stream_discard(&c->stream) != STREAM_WAIT)
			conn_close(c);
		return;
	}
	if (c->state == CONN_HANDSHAKE) {
		enum stream_result r = stream_handshake(&c->stream);

		if (r != STREAM_DONE) {
			if (r == STREAM_LOST)
				conn_close(c);
			return;
		}
		set_state(c, CONN_IDLE);
	}
	if (c->out.len > 0) {
		if (!flush(c))
			return;
		if (c->state == CONN_IDLE && (pending_len(c) > 0 || c->eof)) {
			conn_parse_pending(c); /* c may be dead now; if not, its watch tells when to read */
			return;
		}
	}
	if (c->stream.read != NULL && (readable || c->stream.ssl != NULL))
		conn_read(c);
}

/* --- for requests ------------------------------------------------------------------------------------------ */

const char *http_conn_peer(const struct http_conn *c)
{
	return c->peer;
}

bool http_conn_may_keep(const struct http_conn *c)
{
	return !c->set->draining;
}

void http_conn_on_gone(struct http_conn *c, http_conn_gone_f *f, void *arg)
{
	c->gone = f;
	c->gone_arg = arg;
}

/* --- the set ----------------------------------------------------------------------------------------------- */

static void name_peer(struct http_conn *c, const struct sockaddr *peer)
{
	const void *addr = peer->sa_family == AF_INET6
				   ? (const void *)&((const struct sockaddr_in6 *)peer)->sin6_addr
				   : (const void *)&((const struct sockaddr_in *)peer)->sin_addr;

	if (inet_ntop(peer->sa_family, addr, c->peer, sizeof(c->peer)) == NULL)
		c->peer[0] = '\0';
}

void http_conn_accept(struct http_conn_set *s, int fd, const struct sockaddr *peer)
{
	struct http_conn *c = calloc(1, sizeof(*c));
	SSL *ssl = s->conf.tls != NULL ? SSL_new(s->conf.tls) : NULL;

	if (c == NULL || (s->conf.tls != NULL && ssl == NULL)) {
		SSL_free(ssl);
		free(c);
		close(fd);
		return;
	}
	if (ssl != NULL)
		SSL_set_accept_state(ssl);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	c->set = s;
	c->state = ssl != NULL ? CONN_HANDSHAKE : CONN_IDLE;
	c->since_ms = loop_now_ms();
	TAILQ_INSERT_TAIL(&s->lists[c->state], c, link);
	s->count++;
	name_peer(c, peer);
	http_request_parser_init(&c->parser, s->conf.max_head, s->conf.max_body);
	ssf_buf_init(&c->pending, 2 * PENDING_MAX);
	if (stream_init(&c->stream, s->conf.loop, fd, ssl, on_ready, c) < 0 ||
	    stream_watch_read(&c->stream) < 0)
		conn_close(c);
}

/* NULL: nobody in this state is late. */
static struct http_conn *first_late(struct http_conn_set *s, enum conn_state state, int64_t limit_ms)
{
	struct http_conn *c = TAILQ_FIRST(&s->lists[state]);

	return c != NULL && loop_now_ms() - c->since_ms > limit_ms ? c : NULL;
}

void http_conn_set_sweep(struct http_conn_set *s)
{
	int64_t idle_ms = s->draining ? -1 : s->conf.idle_timeout_ms;
	struct http_conn *c;
	struct ssf_err late;

	ssf_fail(&late, SSF_E_TIMEOUT, "the request did not come whole in time");
	while ((c = first_late(s, CONN_LINGERING, LINGER_MS)) != NULL)
		conn_close(c);
	while ((c = first_late(s, CONN_WRITING, s->conf.idle_timeout_ms)) != NULL)
		conn_close(c);
	while ((c = first_late(s, CONN_READING, s->conf.request_timeout_ms)) != NULL)
		refuse(c, 408, &late);
	while ((c = first_late(s, CONN_IDLE, idle_ms)) != NULL)
		begin_linger(c);
	while ((c = first_late(s, CONN_HANDSHAKE, s->draining ? -1 : s->conf.request_timeout_ms)) != NULL)
		conn_close(c);
}

size_t http_conn_set_count(const struct http_conn_set *s)
{
	return s->count;
}

void http_conn_set_drain(struct http_conn_set *s)
{
	s->draining = true;
	http_conn_set_sweep(s);
}

int http_conn_set_new(const struct http_conn_conf *conf, struct http_conn_set **out, struct ssf_err *err)
{
	struct http_conn_set *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "http server: out of memory");
	s->conf = *conf;
	for (int i = 0; i < CONN_STATES; i++)
		TAILQ_INIT(&s->lists[i]);
	*out = s;
	return 0;
}

void http_conn_set_free(struct http_conn_set *s)
{
	if (s == NULL)
		return;
	s->freeing = true;
	for (int i = 0; i < CONN_STATES; i++) {
		while (!TAILQ_EMPTY(&s->lists[i]))
			conn_close(TAILQ_FIRST(&s->lists[i]));
	}
	free(s);
}
