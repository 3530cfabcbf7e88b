/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/wire.h"

#include "tests/bench/share.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <unistd.h>

#define IN_FIRST 2048
#define IN_MAX (1024 * 1024)

void wire_target(struct wire_target *t, const char *addr, const char *ca)
{
	const char *colon = strrchr(addr, ':');
	char host[64] = "";

	if (colon != NULL && (size_t)(colon - addr) < sizeof(host))
		memcpy(host, addr, (size_t)(colon - addr));
	t->addr = (struct sockaddr_in){ .sin_family = AF_INET };
	if (colon == NULL || inet_pton(AF_INET, host, &t->addr.sin_addr) != 1)
		share_die("%s: not an address with a port", addr);
	t->addr.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
	t->ctx = SSL_CTX_new(TLS_client_method());
	if (t->ctx == NULL || SSL_CTX_load_verify_file(t->ctx, ca) != 1)
		share_die("%s: no certificate to trust", ca);
	SSL_CTX_set_verify(t->ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_mode(t->ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(t->ctx, SSL_SESS_CACHE_OFF);
}

static void watch(struct wire *w, int epoll, int op, uint32_t what)
{
	struct epoll_event ev = { .events = what, .data.ptr = w };

	if (op == EPOLL_CTL_MOD && what == w->watched)
		return;
	w->watched = what;
	if (epoll_ctl(epoll, op, w->fd, &ev) < 0)
		share_die("epoll: %s", strerror(errno));
}

void wire_open(struct wire *w, int epoll, const struct wire_target *t)
{
	int one = 1;

	*w = (struct wire){ .fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0),
			    .in = malloc(IN_FIRST), .in_size = IN_FIRST, .ssl = SSL_new(t->ctx) };
	if (w->fd < 0 || w->in == NULL || w->ssl == NULL || SSL_set1_host(w->ssl, "localhost") != 1 ||
	    SSL_set_tlsext_host_name(w->ssl, "localhost") != 1 || SSL_set_fd(w->ssl, w->fd) != 1)
		share_die("connection: %s", strerror(errno));
	setsockopt(w->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(w->fd, (const struct sockaddr *)&t->addr, sizeof(t->addr)) < 0 &&
	    errno != EINPROGRESS)
		share_die("connect: %s", strerror(errno));
	watch(w, epoll, EPOLL_CTL_ADD, EPOLLOUT);
}

void wire_close(struct wire *w)
{
	SSL_free(w->ssl);
	if (w->fd >= 0)
		close(w->fd);
	free(w->in);
	*w = (struct wire){ .fd = -1 };
}

/* What TLS waits for. */
static enum wire_got stuck(struct wire *w, int epoll, int r)
{
	int why = SSL_get_error(w->ssl, r);

	if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
		return WIRE_LOST;
	watch(w, epoll, EPOLL_CTL_MOD,
	      why == SSL_ERROR_WANT_READ && w->out_len == 0 ? EPOLLIN : EPOLLIN | EPOLLOUT);
	return WIRE_NOTHING;
}

static enum wire_got shake(struct wire *w, int epoll)
{
	int r;

	w->state = WIRE_SHAKING;
	r = SSL_connect(w->ssl);
	if (r != 1)
		return stuck(w, epoll, r);
	w->state = WIRE_OPEN;
	watch(w, epoll, EPOLL_CTL_MOD, EPOLLIN);
	return WIRE_READY;
}

static enum wire_got flush(struct wire *w, int epoll)
{
	int r = w->out_len > 0 ? SSL_write(w->ssl, w->out, (int)w->out_len) : 1;

	if (r <= 0)
		return stuck(w, epoll, r);
	w->out_len = 0; /* all of it: partial writes are not enabled */
	watch(w, epoll, EPOLL_CTL_MOD, EPOLLIN);
	return WIRE_NOTHING;
}

enum wire_got wire_send(struct wire *w, int epoll, const char *bytes, size_t len)
{
	w->out = bytes;
	w->out_len = len;
	return flush(w, epoll);
}

/* --- answers --------------------------------------------------------------------------------- */

static long content_length(const struct wire *w)
{
	static const char name[] = "\r\ncontent-length:";

	for (size_t i = 0; i + sizeof(name) < w->body_at; i++) {
		if (w->in[i] == '\r' && strncasecmp(w->in + i, name, sizeof(name) - 1) == 0)
			return strtol(w->in + i + sizeof(name) - 1, NULL, 10);
	}
	return -1;
}

static enum wire_got look(struct wire *w)
{
	const char *end = memmem(w->in, w->in_len, "\r\n\r\n", 4);
	long length;

	if (end == NULL)
		return WIRE_NOTHING;
	w->body_at = (size_t)(end - w->in) + 4;
	length = content_length(w);
	if (length < 0 || w->in_len < 12)
		return WIRE_LOST; /* the hub always says how long an answer is */
	if (w->in_len < w->body_at + (size_t)length)
		return WIRE_NOTHING;
	w->status = (int)strtol(w->in + 9, NULL, 10);
	return WIRE_ANSWER;
}

static enum wire_got read_on(struct wire *w, int epoll)
{
	for (;;) {
		if (w->in_len + 1 >= w->in_size) {
			char *more = w->in_size < IN_MAX ? realloc(w->in, w->in_size * 2) : NULL;
			if (more == NULL)
				return WIRE_LOST;
			w->in = more;
			w->in_size *= 2;
		}
		int r = SSL_read(w->ssl, w->in + w->in_len, (int)(w->in_size - 1 - w->in_len));
		if (r <= 0)
			return stuck(w, epoll, r);
		w->in_len += (size_t)r;
		w->in[w->in_len] = '\0';
		enum wire_got got = look(w);
		if (got != WIRE_NOTHING)
			return got;
	}
}

enum wire_got wire_step(struct wire *w, int epoll)
{
	if (w->state != WIRE_OPEN)
		return shake(w, epoll);
	if (w->out_len > 0 && flush(w, epoll) == WIRE_LOST)
		return WIRE_LOST;
	return read_on(w, epoll);
}

void wire_next(struct wire *w)
{
	w->in_len = 0;
	w->body_at = 0;
}
