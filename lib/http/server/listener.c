/* SPDX-License-Identifier: Apache-2.0 */
/* Owns the listening socket and its watch; connections are the caller's from the moment of their acceptance. */
#include "lib/http/server/listener.h"

#include "lib/kit/log.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BACKLOG 1024
#define ACCEPTS_PER_TURN 64 /* then others have their turn */

struct http_listener {
	struct loop *loop;
	int fd;
	struct loop_watch *watch; /* NULL: paused */
	http_accepted_f *f;
	void *arg;
};

/* An IP address and a port; a name could mean several addresses. */
static struct addrinfo *parse_listen(const char *text)
{
	const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
					.ai_socktype = SOCK_STREAM };
	const char *colon = strrchr(text, ':');
	struct addrinfo *found = NULL;
	char host[INET6_ADDRSTRLEN];
	size_t len = colon != NULL ? (size_t)(colon - text) : 0;
	unsigned long port = colon != NULL ? strtoul(colon + 1, NULL, 10) : 0;

	if (len > 1 && text[0] == '[' && colon[-1] == ']') {
		text++;
		len -= 2;
	} else if (memchr(text, ':', len) != NULL) {
		return NULL;
	}
	if (len == 0 || len >= sizeof(host) || colon[1] == '\0' || port > 65535 ||
	    colon[1 + strspn(colon + 1, "0123456789")] != '\0')
		return NULL;
	memcpy(host, text, len);
	host[len] = '\0';
	return getaddrinfo(host, colon + 1, &hints, &found) == 0 ? found : NULL;
}

static unsigned port_of(int fd)
{
	struct sockaddr_storage addr = { 0 };
	socklen_t len = sizeof(addr);

	if (getsockname(fd, (struct sockaddr *)&addr, &len) < 0)
		return 0;
	if (addr.ss_family == AF_INET6)
		return ntohs(((struct sockaddr_in6 *)&addr)->sin6_port);
	return ntohs(((struct sockaddr_in *)&addr)->sin_port);
}

static int open_socket(const struct addrinfo *addr, bool shared)
{
	const int on = 1;
	int fd = socket(addr->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
	    (!shared || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0) &&
	    bind(fd, addr->ai_addr, addr->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	int reason = errno;
	close(fd);
	errno = reason;
	return -1;
}

int http_listen(const char *text, enum http_share share, int *out_fd, unsigned *out_port,
		struct ssf_err *err)
{
	struct addrinfo *addr = text != NULL ? parse_listen(text) : NULL;
	int fd;

	if (addr == NULL)
		return ssf_fail(err, SSF_E_MALFORMED, "listen: not an address with a port");
	fd = open_socket(addr, share == HTTP_SHARED);
	if (fd >= 0 && share == HTTP_SHARED_FIRST) { /* nobody listens there: open it again, to be shared */
		close(fd);
		fd = open_socket(addr, true);
	}
	int reason = errno;
	freeaddrinfo(addr);
	if (fd < 0)
		return ssf_fail(err, SSF_E_UNAVAILABLE, "listen: %s: %s", text, strerror(reason));
	*out_fd = fd;
	*out_port = port_of(fd);
	return 0;
}

/* --- accepting --------------------------------------------------------------------------------------------- */

static bool is_transient(int reason)
{
	/* of the connection that was next in the queue (accept(2)), not of this process */
	return reason == EINTR || reason == ECONNABORTED || reason == EPROTO || reason == EPERM ||
	       reason == ENETDOWN || reason == EHOSTDOWN || reason == EHOSTUNREACH || reason == ENETUNREACH ||
	       reason == ENOPROTOOPT || reason == EOPNOTSUPP || reason == ENONET;
}

/* The callback may pause it. */
static void on_connection(void *arg, bool readable, bool writable)
{
	struct http_listener *l = arg;
	struct sockaddr_storage peer;
	int fd;

	(void)readable;
	(void)writable;
	for (int i = 0; i < ACCEPTS_PER_TURN && l->watch != NULL; i++) {
		socklen_t len = sizeof(peer);

		fd = accept4(l->fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			l->f(l->arg, fd, (const struct sockaddr *)&peer);
		} else if (errno == EAGAIN) {
			return;
		} else if (!is_transient(errno)) {
			/* out of descriptors, most likely: trying again at once would only burn the processor */
			log_warn("http.accept.failed", log_str("error", strerror(errno)));
			http_listener_pause(l);
		}
	}
}

void http_listener_pause(struct http_listener *l)
{
	loop_watch_cancel(l->watch);
	l->watch = NULL;
}

void http_listener_resume(struct http_listener *l)
{
	if (l->watch == NULL)
		l->watch = loop_watch_start(l->loop, l->fd, true, false, on_connection, l);
}

unsigned http_listener_port(const struct http_listener *l)
{
	return port_of(l->fd);
}

struct http_listener *http_listener_new(struct loop *loop, int fd, http_accepted_f *f, void *arg)
{
	struct http_listener *l = calloc(1, sizeof(*l));

	if (l == NULL) {
		close(fd);
		return NULL;
	}
	*l = (struct http_listener){ .loop = loop, .fd = fd, .f = f, .arg = arg };
	http_listener_resume(l);
	if (l->watch == NULL) {
		http_listener_free(l);
		return NULL;
	}
	return l;
}

void http_listener_free(struct http_listener *l)
{
	if (l == NULL)
		return;
	http_listener_pause(l);
	close(l->fd);
	free(l);
}
