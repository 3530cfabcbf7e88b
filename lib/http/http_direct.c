/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the connections, and what is known of the hosts that they go to. A connection has one call at most, and
 * is kept only after an answer that ended where it said, with nothing behind it: what a server sends without
 * being asked must never be taken for the answer to the next call.
 */
#include "lib/http/http_direct.h"

#include "lib/ssf/attr.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUCKETS 1024
#define NAME_MAX_LEN 300              /* of "https://host:port" */
#define READ_SIZE 16384
#define REQUEST_MAX (4 * 1024 * 1024)
#define REQUEST_KEPT_MAX (16 * 1024)
#define FRESH_MS 60000                /* how long an address is good for new connections, as in curl's cache */
#define CURL_MS 60000                 /* how long a host that was not reached here is left to curl */
#define UNREADABLE_MS 3600000         /* and one whose answers are not understood here */
#define SET_UP_MS 2000                /* to connect, and for TLS; a third of the call's time if that is less */
#define SWEEP_MS 10000
#define IDLE_MS 118000                /* as curl has it */
#define IDLE_CONNECTIONS 16384
#define FORGET_MS 600000

struct direct_origin {
	LIST_ENTRY(direct_origin) link;
	struct direct *of;
	char name[NAME_MAX_LEN];      /* as URLs begin: scheme, host and port */
	char host[NAME_MAX_LEN];      /* for TLS: without port and brackets */
	const char *authority;        /* in name, for the Host header */
	bool tls;
	struct sockaddr_storage addr;
	socklen_t addr_len;           /* 0: none */
	int64_t learned_ms, used_ms;
	int64_t curl_until_ms;
	TAILQ_HEAD(, direct_conn) idle; /* the one that was used last is first */
	size_t users;                 /* connections and calls */
};

enum conn_state { CONN_CONNECTING, CONN_SHAKING, CONN_READY };

struct direct_conn {
	TAILQ_ENTRY(direct_conn) origin_link; /* while idle, in both */
	TAILQ_ENTRY(direct_conn) idle_link;
	struct direct_origin *origin;
	struct direct_call *call;     /* NULL: idle */
	enum conn_state state;
	int fd;
	SSL *ssl;                     /* NULL: none */
	struct loop_watch *read, *write;
	struct ssf_buf request;       /* memory for the next, while idle */
	bool kept;                    /* it has answered before */
	int64_t idle_ms;              /* since */
};

struct direct {
	struct loop *loop;
	const struct egress_policy *guard;
	struct ca_store *trust;
	SSL_CTX *tls;
	LIST_HEAD(, direct_origin) origins[BUCKETS];
	TAILQ_HEAD(, direct_conn) idle; /* of all; the one that was used last is last */
	size_t idle_count;
	size_t connections;
	int64_t connects;
	struct loop_tick *sweep;
};

/* --- hosts -------------------------------------------------------------------------------------------- */

static bool is_port(const char *text)
{
	return *text >= '1' && *text <= '9' && strlen(text) <= 5 && text[strspn(text, "0123456789")] == '\0';
}

static bool is_address(int family, const char *text)
{
	char bytes[sizeof(struct in6_addr)], again[INET6_ADDRSTRLEN];

	return inet_pton(family, text, bytes) == 1 && inet_ntop(family, bytes, again, sizeof(again)) != NULL &&
	       strcmp(text, again) == 0;
}

/* A host as curl writes it too, so that what it has found is found again. */
static bool is_plain_host(char *host)
{
	size_t len = strlen(host);
	const char *last = strrchr(host, '.');

	if (*host == '[' && host[len - 1] == ']') {
		host[len - 1] = '\0';
		return is_address(AF_INET6, host + 1);
	}
	if (host[strspn(host, "abcdefghijklmnopqrstuvwxyz0123456789-.")] != '\0')
		return false;
	last = last != NULL ? last + 1 : host;
	return (*last >= 'a' && *last <= 'z') || is_address(AF_INET, host);
}

static size_t scheme_length(const char *url)
{
	return strncmp(url, "https://", 8) == 0 ? 8 : strncmp(url, "http://", 7) == 0 ? 7 : 0;
}

/* How much of a URL is scheme, host and port; 0: curl would write what follows in another way, or it is none. */
static size_t origin_length(const char *url)
{
	size_t scheme = scheme_length(url), len = scheme + strcspn(url + scheme, "/?#@");

	if (scheme == 0 || len >= NAME_MAX_LEN || url[len] != '/')
		return 0;
	for (const char *p = url + len; *p != '\0'; p++) {
		if (*p <= ' ' || *p > '~' || *p == '#' || (*p == '/' && p[1] == '.'))
			return 0;
	}
	return len;
}

/* Such an origin may be made; all others are curl's. */
static bool is_plain_origin(const char *url, size_t len)
{
	size_t scheme = scheme_length(url);
	char host[NAME_MAX_LEN], *port;

	snprintf(host, sizeof(host), "%.*s", (int)(len - scheme), url + scheme);
	port = strrchr(host, ':');
	if (port != NULL && strchr(port, ']') == NULL) {
		*port++ = '\0';
		if (!is_port(port) || strcmp(port, scheme == 8 ? "443" : "80") == 0)
			return false;
	}
	return *host != '\0' && is_plain_host(host);
}

static unsigned bucket(const char *name, size_t len)
{
	uint32_t h = 2166136261U;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)name[i]) * 16777619U;
	return h % BUCKETS;
}

static struct direct_origin *origin_find(struct direct *d, const char *url, size_t len)
{
	struct direct_origin *o;

	LIST_FOREACH(o, &d->origins[bucket(url, len)], link) {
		if (strncmp(o->name, url, len) == 0 && o->name[len] == '\0')
			return o;
	}
	return NULL;
}

static struct direct_origin *origin_make(struct direct *d, const char *url, size_t len)
{
	struct direct_origin *o = calloc(1, sizeof(*o));

	if (o == NULL)
		return NULL;
	o->of = d;
	memcpy(o->name, url, len);
	o->tls = url[4] == 's';
	o->authority = o->name + scheme_length(url);
	const char *host = o->authority + (*o->authority == '[');
	snprintf(o->host, sizeof(o->host), "%.*s", (int)strcspn(host, host > o->authority ? "]" : ":"), host);
	TAILQ_INIT(&o->idle);
	LIST_INSERT_HEAD(&d->origins[bucket(url, len)], o, link);
	return o;
}

static void origin_free(struct direct_origin *o)
{
	LIST_REMOVE(o, link);
	free(o);
}

/* Whatever it was that failed here: curl finds out, and says what. */
static void origin_leave_to_curl(struct direct_origin *o, int64_t ms)
{
	int64_t until = loop_now_ms() + ms;

	if (until > o->curl_until_ms)
		o->curl_until_ms = until;
	o->addr_len = 0;
}

static bool address(struct direct_origin *o, const char *ip, unsigned port)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)&o->addr;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&o->addr;

	memset(&o->addr, 0, sizeof(o->addr));
	o->addr_len = 0;
	if (inet_pton(AF_INET, ip, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)port);
		o->addr_len = sizeof(*v4);
	} else if (inet_pton(AF_INET6, ip, &v6->sin6_addr) == 1 && !IN6_IS_ADDR_LINKLOCAL(&v6->sin6_addr)) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((uint16_t)port);
		o->addr_len = sizeof(*v6);
	}
	return o->addr_len > 0;
}

void direct_learn(struct direct *d, const char *url, const char *ip, unsigned port, bool http1)
{
	size_t len = origin_length(url);
	struct direct_origin *o = len > 0 ? origin_find(d, url, len) : NULL;
	int64_t now = loop_now_ms();

	if (o == NULL && len > 0 && is_plain_origin(url, len))
		o = origin_make(d, url, len);
	if (o == NULL)
		return;
	o->used_ms = now;
	if (!http1) {
		origin_leave_to_curl(o, CURL_MS); /* for as long as it goes on like that */
	} else if (now >= o->curl_until_ms) {
		o->learned_ms = now;
		if (!address(o, ip, port))
			origin_leave_to_curl(o, CURL_MS);
	}
}

bool direct_leaves_to_curl(struct direct *d, const char *url)
{
	size_t len = origin_length(url);
	const struct direct_origin *o = len > 0 ? origin_find(d, url, len) : NULL;

	if (o == NULL)
		return len == 0 || !is_plain_origin(url, len);
	return loop_now_ms() < o->curl_until_ms;
}

/* --- connections --------------------------------------------------------------------------------------- */

static void on_readable(void *arg, bool readable, bool writable);
static void on_writable(void *arg, bool readable, bool writable);

static void idle_leave(struct direct_conn *n)
{
	struct direct *d = n->origin->of;

	TAILQ_REMOVE(&n->origin->idle, n, origin_link);
	TAILQ_REMOVE(&d->idle, n, idle_link);
	d->idle_count--;
}

/* It has no call any more. */
static void conn_free(struct direct_conn *n)
{
	loop_watch_cancel(n->read);
	loop_watch_cancel(n->write);
	SSL_free(n->ssl);
	if (n->fd >= 0) {
		close(n->fd);
		n->origin->of->connections--;
	}
	n->origin->users--;
	ssf_buf_done(&n->request);
	free(n);
}

static void idle_close(struct direct_conn *n)
{
	idle_leave(n);
	conn_free(n);
}

static void origin_close_idle(struct direct_origin *o)
{
	while (!TAILQ_EMPTY(&o->idle))
		idle_close(TAILQ_FIRST(&o->idle));
}

static bool tls_start(struct direct_conn *n)
{
	struct direct *d = n->origin->of;
	const char *host = n->origin->host;

	if (ca_store_use(d->trust, d->tls) < 0)
		return false;
	n->ssl = SSL_new(d->tls);
	if (n->ssl == NULL || SSL_set_fd(n->ssl, n->fd) != 1)
		return false;
	SSL_set_connect_state(n->ssl);
	if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(n->ssl), host) == 1)
		return true;
	ERR_clear_error(); /* a name, then; as strict as curl */
	SSL_set_hostflags(n->ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
	return SSL_set1_host(n->ssl, host) == 1 && SSL_set_tlsext_host_name(n->ssl, host) == 1;
}

static bool conn_open(struct direct_conn *n)
{
	const struct direct_origin *o = n->origin;
	struct direct *d = o->of;
	const struct sockaddr *addr = (const struct sockaddr *)&o->addr;
	struct ssf_err err;

	if (d->guard != NULL && egress_policy_check_addr(d->guard, addr, &err) < 0)
		return false;
	n->fd = socket(addr->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (n->fd < 0)
		return false;
	d->connections++;
	d->connects++;
	setsockopt(n->fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	if (connect(n->fd, addr, o->addr_len) < 0 && errno != EINPROGRESS)
		return false;
	if (o->tls && !tls_start(n))
		return false;
	n->read = loop_watch_start(d->loop, n->fd, true, false, on_readable, n);
	n->write = loop_watch_start(d->loop, n->fd, false, true, on_writable, n);
	return n->read != NULL && n->write != NULL;
}

static struct direct_conn *conn_new(struct direct_origin *o)
{
	struct direct_conn *n = calloc(1, sizeof(*n));

	if (n == NULL)
		return NULL;
	n->origin = o;
	n->fd = -1;
	o->users++;
	if (conn_open(n))
		return n;
	ERR_clear_error();
	conn_free(n);
	return NULL;
}

/* --- the end of a call ----------------------------------------------------------------------------------- */

/* The connection is on its own again; the caller says what becomes of it. */
static void call_leave(struct direct_call *c)
{
	loop_timer_cancel(c->deadline);
	c->deadline = NULL;
	c->conn->call = NULL;
	c->conn = NULL;
}

static void call_forget_origin(struct direct_call *c)
{
	if (c->origin != NULL)
		c->origin->users--;
	c->origin = NULL;
}

static void call_end(struct direct_call *c, enum direct_end end)
{
	if (end != DIRECT_AGAIN)
		call_forget_origin(c);
	c->done(c->arg, end);
}

/*
 * A connection that is of no use any more. Who had one that was kept has perhaps only come too late: a server
 * may close what is idle at any time (RFC 9112 section 9.3.1).
 */
static void conn_broken(struct direct_conn *n, const struct ssf_err *why)
{
	struct direct_call *c = n->call;
	bool reached = n->state == CONN_READY, kept = n->kept;

	if (c == NULL) {
		idle_close(n);
		return;
	}
	if (!reached)
		origin_leave_to_curl(n->origin, CURL_MS);
	call_leave(c);
	conn_free(n);
	*c->err = *why;
	call_end(c, !reached || (kept && !c->answer.begun) ? DIRECT_AGAIN : DIRECT_FAILED);
}

static void conn_lost(struct direct_conn *n)
{
	struct ssf_err err;

	ERR_clear_error();
	ssf_fail(&err, SSF_E_UNAVAILABLE, "http: the connection was lost");
	conn_broken(n, &err);
}

static void on_deadline(void *arg)
{
	struct direct_call *c = arg;
	struct direct_conn *n = c->conn;
	bool reached = n->state == CONN_READY;

	c->deadline = NULL;
	if (!reached)
		origin_leave_to_curl(n->origin, CURL_MS);
	else if (n->kept && !c->answer.begun)
		origin_close_idle(n->origin); /* whatever it is that has gone: they may have gone the same way */
	call_leave(c);
	conn_free(n);
	ssf_fail(c->err, SSF_E_TIMEOUT, "http: timed out");
	call_end(c, reached ? DIRECT_FAILED : DIRECT_AGAIN);
}

static void conn_keep(struct direct_conn *n)
{
	struct direct *d = n->origin->of;

	n->kept = true;
	n->idle_ms = loop_now_ms();
	TAILQ_INSERT_HEAD(&n->origin->idle, n, origin_link);
	TAILQ_INSERT_TAIL(&d->idle, n, idle_link);
	if (++d->idle_count > IDLE_CONNECTIONS)
		idle_close(TAILQ_FIRST(&d->idle));
}

/* What is allocated anew for each request, and is larger than what malloc has at hand, costs as much as sending it. */
static void request_keep(struct direct_conn *n, struct direct_call *c)
{
	if (c->request.cap > REQUEST_KEPT_MAX)
		return;
	OPENSSL_cleanse(c->request.ptr, c->request.len);
	n->request = c->request;
	c->request = (struct ssf_buf){ 0 };
	ssf_buf_reset(&n->request);
}

static void answered(struct direct_conn *n, bool clean)
{
	struct direct_call *c = n->call;
	bool whole = c->sent == c->request.len;
	bool keep = clean && c->answer.keep && whole && n->write == NULL;

	call_leave(c);
	if (keep) {
		request_keep(n, c);
		conn_keep(n);
	} else {
		conn_free(n);
	}
	if (!whole && c->answer.status < 300) { /* who has not seen all of it cannot have taken it */
		ssf_fail(c->err, SSF_E_UNAVAILABLE, "http: answered before it was asked");
		call_end(c, DIRECT_FAILED);
	} else {
		call_end(c, DIRECT_ANSWERED);
	}
}

/* --- bytes ------------------------------------------------------------------------------------------------ */

enum io { IO_DONE, IO_WAIT, IO_LOST };

static bool watch_write(struct direct_conn *n)
{
	if (n->write == NULL)
		n->write = loop_watch_start(n->origin->of->loop, n->fd, false, true, on_writable, n);
	return n->write != NULL;
}

static void unwatch_write(struct direct_conn *n)
{
	loop_watch_cancel(n->write);
	n->write = NULL;
}

/* Of what TLS waits for; it is read for all the time. */
static enum io tls_waits(struct direct_conn *n, int result)
{
	int why = SSL_get_error(n->ssl, result);

	if (why == SSL_ERROR_WANT_WRITE)
		return watch_write(n) ? IO_WAIT : IO_LOST;
	return why == SSL_ERROR_WANT_READ ? IO_WAIT : IO_LOST;
}

static enum io send_some(struct direct_conn *n, const char *bytes, size_t len, size_t *out)
{
	ssize_t sent;

	*out = 0;
	if (n->ssl != NULL) {
		ERR_clear_error();
		int r = SSL_write_ex(n->ssl, bytes, len, out);
		if (r == 1)
			return IO_DONE;
		unwatch_write(n); /* perhaps it waits for something to be read */
		return tls_waits(n, r);
	}
	do {
		sent = send(n->fd, bytes, len, MSG_NOSIGNAL);
	} while (sent < 0 && errno == EINTR);
	if (sent < 0)
		return errno == EAGAIN && watch_write(n) ? IO_WAIT : IO_LOST;
	*out = (size_t)sent;
	return IO_DONE;
}

/* As much of the request as goes now. */
static enum io send_request(struct direct_conn *n)
{
	struct direct_call *c = n->call;
	enum io r = IO_DONE;
	size_t done;

	while (c->sent < c->request.len && r == IO_DONE) {
		r = send_some(n, c->request.ptr + c->sent, c->request.len - c->sent, &done);
		c->sent += done;
	}
	if (r == IO_DONE)
		unwatch_write(n);
	return r;
}

/* IO_DONE with 0 bytes: the peer has closed. */
static enum io receive_some(struct direct_conn *n, char *bytes, size_t *len)
{
	ssize_t got;

	if (n->ssl != NULL) {
		ERR_clear_error();
		int r = SSL_read_ex(n->ssl, bytes, READ_SIZE, len);
		if (r == 1)
			return IO_DONE;
		*len = 0;
		return SSL_get_error(n->ssl, r) == SSL_ERROR_ZERO_RETURN ? IO_DONE : tls_waits(n, r);
	}
	do {
		got = recv(n->fd, bytes, READ_SIZE, 0);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return errno == EAGAIN ? IO_WAIT : IO_LOST;
	*len = (size_t)got;
	return IO_DONE;
}

/* The connection has ended; in plain HTTP that may be where the answer ends. */
static void received_end(struct direct_conn *n)
{
	struct ssf_err err;

	if (n->call == NULL || !n->call->answer.begun)
		conn_lost(n);
	else if (http_response_eof(&n->call->answer, &err) == 0)
		answered(n, false);
	else
		conn_broken(n, &err);
}

/* False: the connection, or its call, is over. */
static bool received(struct direct_conn *n, const char *bytes, size_t len)
{
	struct direct_call *c = n->call;
	enum http_response_next next;
	struct ssf_err err;
	size_t used;

	if (c == NULL) { /* nobody has asked */
		conn_lost(n);
		return false;
	}
	if (http_response_feed(&c->answer, bytes, len, &used, &next, &err) < 0) {
		origin_leave_to_curl(n->origin, UNREADABLE_MS); /* which takes more */
		conn_broken(n, &err);
		return false;
	}
	if (next == HTTP_RESPONSE_MORE)
		return true;
	answered(n, used == len && (n->ssl == NULL || SSL_pending(n->ssl) == 0));
	return false;
}

static void receive(struct direct_conn *n)
{
	char bytes[READ_SIZE];
	enum io r = IO_DONE;
	size_t len = READ_SIZE;

	/* without TLS, what does not fill the buffer was all there is; TLS says so itself */
	while (r == IO_DONE && (n->ssl != NULL || len == READ_SIZE)) {
		r = receive_some(n, bytes, &len);
		if (r == IO_DONE && len == 0) {
			received_end(n);
			return;
		}
		if (r == IO_DONE && !received(n, bytes, len))
			return;
	}
	if (r == IO_LOST)
		conn_lost(n);
}

/* For the answer, from now on. */
static bool call_wait(struct direct_call *c)
{
	int64_t left = c->until_ms - loop_now_ms();

	loop_timer_cancel(c->deadline);
	c->deadline = loop_timer_start(c->origin->of->loop, left > 0 ? left : 0, on_deadline, c);
	return c->deadline != NULL;
}

/* connect() and the TLS handshake, as far as they go now; IO_DONE: ready. */
static enum io set_up(struct direct_conn *n)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (n->state == CONN_CONNECTING) {
		if (getsockopt(n->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error != 0)
			return IO_LOST;
		n->state = CONN_SHAKING;
	}
	if (n->state == CONN_SHAKING && n->ssl != NULL) {
		ERR_clear_error();
		int r = SSL_do_handshake(n->ssl);
		if (r != 1) {
			unwatch_write(n);
			return tls_waits(n, r);
		}
	}
	n->state = CONN_READY;
	return call_wait(n->call) ? IO_DONE : IO_LOST;
}

/* Whatever a connection can go on with. */
static void go_on(struct direct_conn *n, bool readable)
{
	enum io r = n->state == CONN_READY ? IO_DONE : set_up(n);

	if (r == IO_DONE && n->call != NULL && n->call->sent < n->call->request.len)
		r = send_request(n);
	else if (r == IO_DONE)
		unwatch_write(n);
	if (r == IO_LOST)
		conn_lost(n);
	else if (n->state == CONN_READY && (readable || n->ssl != NULL)) /* TLS may have waited to write for reading */
		receive(n);
}

static void on_readable(void *arg, bool readable, bool writable)
{
	struct direct_conn *n = arg;

	(void)readable;
	(void)writable;
	/* one that is refused is readable, too: the other watch sees to it */
	if (n->state != CONN_CONNECTING)
		go_on(n, true);
}

static void on_writable(void *arg, bool readable, bool writable)
{
	(void)readable;
	(void)writable;
	go_on(arg, false);
}

/* --- calls -------------------------------------------------------------------------------------------------- */

static void compose(struct direct_call *c, const char *path, const struct http_call_spec *spec)
{
	struct ssf_buf *out = &c->request;

	*out = c->conn->request;
	c->conn->request = (struct ssf_buf){ 0 };
	if (out->ptr == NULL)
		ssf_buf_init(out, REQUEST_MAX);
	ssf_buf_reserve(out, spec->body.len + 1024);
	ssf_buf_adds(out, spec->method);
	ssf_buf_addc(out, ' ');
	ssf_buf_adds(out, path);
	ssf_buf_adds(out, " HTTP/1.1\r\nHost: ");
	ssf_buf_adds(out, c->origin->authority);
	ssf_buf_addf(out, "\r\nContent-Length: %zu", spec->body.len);
	for (size_t i = 0; i < SSF_ARRAY_SIZE(spec->headers) && spec->headers[i] != NULL; i++) {
		ssf_buf_adds(out, "\r\n");
		ssf_buf_adds(out, spec->headers[i]);
	}
	ssf_buf_adds(out, "\r\n\r\n");
	if (spec->body.len > 0)
		ssf_buf_add(out, spec->body.ptr, spec->body.len);
}

static char *cut_line(char **at)
{
	char *line = *at, *end = strstr(line, "\r\n");

	*end = '\0';
	*at = end + 2;
	return line;
}

void direct_spec(struct direct_call *c, char url[DIRECT_URL_MAX], struct http_call_spec *out)
{
	char *at = c->request.ptr, *end = at + c->request.len;
	char *method = cut_line(&at), *path = strchr(method, ' '), *line;
	size_t n = 0;

	*out = (struct http_call_spec){ .method = method, .url = url,
					.timeout_ms = (int)(c->until_ms - loop_now_ms()) };
	*path++ = '\0';
	*strchr(path, ' ') = '\0';
	snprintf(url, DIRECT_URL_MAX, "%s%s", c->origin->name, path);
	cut_line(&at); /* Host */
	cut_line(&at); /* Content-Length */
	while (*(line = cut_line(&at)) != '\0')
		out->headers[n++] = line;
	out->body = (struct ssf_str){ at, (size_t)(end - at) };
}

/*
 * Nothing has come on an idle connection: neither its end, nor what would be taken for the next answer. TLS may
 * have something to say for itself.
 */
static bool is_quiet(struct direct_conn *n)
{
	char bytes[READ_SIZE];
	size_t len;

	if (recv(n->fd, bytes, 1, MSG_PEEK) < 0 && errno == EAGAIN)
		return true;
	return n->ssl != NULL && receive_some(n, bytes, &len) == IO_WAIT && n->write == NULL;
}

/* A connection that is idle, or a new one. */
static struct direct_conn *conn_for(struct direct_origin *o)
{
	struct direct_conn *n;

	while ((n = TAILQ_FIRST(&o->idle)) != NULL) {
		idle_leave(n);
		if (is_quiet(n))
			return n;
		ERR_clear_error();
		conn_free(n);
	}
	if (o->addr_len == 0 || loop_now_ms() - o->learned_ms > FRESH_MS)
		return NULL;
	return conn_new(o);
}

static bool call_begin(struct direct *d, struct direct_call *c, struct direct_origin *o, int timeout_ms)
{
	struct direct_conn *n = conn_for(o);

	if (n == NULL)
		return false;
	c->until_ms = loop_now_ms() + timeout_ms;
	if (n->state != CONN_READY) /* curl knows more addresses, perhaps */
		timeout_ms = timeout_ms / 3 < SET_UP_MS ? timeout_ms / 3 : SET_UP_MS;
	c->deadline = loop_timer_start(d->loop, timeout_ms, on_deadline, c);
	if (c->deadline == NULL) {
		conn_free(n);
		return false;
	}
	c->conn = n;
	n->call = c;
	return true;
}

static bool is_post(const struct http_call_spec *spec)
{
	for (size_t i = 0; i < SSF_ARRAY_SIZE(spec->headers) && spec->headers[i] != NULL; i++) {
		if (strpbrk(spec->headers[i], "\r\n") != NULL)
			return false;
	}
	return strcmp(spec->method, "POST") == 0;
}

bool direct_start(struct direct *d, struct direct_call *c, const struct http_call_spec *spec,
		  void (*done)(void *arg, enum direct_end end), void *arg, struct ssf_err *why)
{
	size_t len = is_post(spec) ? origin_length(spec->url) : 0;
	struct direct_origin *o = len > 0 ? origin_find(d, spec->url, len) : NULL;

	if (o == NULL || loop_now_ms() < o->curl_until_ms || !call_begin(d, c, o, spec->timeout_ms))
		return false;
	o->users++;
	o->used_ms = loop_now_ms();
	c->origin = o;
	c->done = done;
	c->arg = arg;
	c->err = why;
	c->sent = 0;
	compose(c, spec->url + len, spec);
	http_response_init(&c->answer, spec->max_body);
	if (ssf_buf_failed(&c->request)) {
		direct_call_done(c);
		return false;
	}
	/* what is wrong with the connection shows when it is read: nothing is told from here */
	if (c->conn->state == CONN_READY && send_request(c->conn) == IO_LOST) {
		ERR_clear_error();
		watch_write(c->conn);
	}
	return true;
}

bool direct_was_connected(const struct direct_call *c)
{
	return c->sent > 0;
}

void direct_call_done(struct direct_call *c)
{
	struct direct_conn *n = c->conn;

	if (n != NULL) {
		call_leave(c);
		conn_free(n);
	}
	call_forget_origin(c);
	ssf_buf_done(&c->request);
	http_response_done(&c->answer);
}

/* --- life ----------------------------------------------------------------------------------------------------- */

static void on_sweep(void *arg)
{
	struct direct *d = arg;
	struct direct_origin *o, *next;
	struct direct_conn *n;
	int64_t now = loop_now_ms();

	while ((n = TAILQ_FIRST(&d->idle)) != NULL && now - n->idle_ms >= IDLE_MS)
		idle_close(n);
	for (size_t i = 0; i < BUCKETS; i++) {
		for (o = LIST_FIRST(&d->origins[i]); o != NULL; o = next) {
			next = LIST_NEXT(o, link);
			if (o->users == 0 && now - o->used_ms >= FORGET_MS)
				origin_free(o);
		}
	}
}

static SSL_CTX *tls_new(void)
{
	static const unsigned char http1[] = "\x08http/1.1";
	SSL_CTX *tls = SSL_CTX_new(TLS_client_method());

	if (tls == NULL)
		return NULL;
	SSL_CTX_set_options(tls, SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				      SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
	if (SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION) != 1 ||
	    SSL_CTX_set_alpn_protos(tls, http1, sizeof(http1) - 1) != 0) {
		SSL_CTX_free(tls);
		return NULL;
	}
	return tls;
}

int direct_new(struct loop *loop, const struct egress_policy *guard, struct ca_store *trust, struct direct **out,
	       struct ssf_err *err)
{
	struct direct *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "http client: out of memory");
	d->loop = loop;
	d->guard = guard;
	d->trust = trust;
	TAILQ_INIT(&d->idle);
	d->tls = tls_new();
	d->sweep = loop_tick_start(loop, SWEEP_MS, on_sweep, d);
	if (d->tls == NULL || d->sweep == NULL) {
		direct_free(d);
		return ssf_fail(err, SSF_E_NOMEM, "http client: out of memory");
	}
	*out = d;
	return 0;
}

void direct_free(struct direct *d)
{
	if (d == NULL)
		return;
	while (!TAILQ_EMPTY(&d->idle))
		idle_close(TAILQ_FIRST(&d->idle));
	for (size_t i = 0; i < BUCKETS; i++) {
		while (!LIST_EMPTY(&d->origins[i]))
			origin_free(LIST_FIRST(&d->origins[i]));
	}
	loop_tick_cancel(d->sweep);
	SSL_CTX_free(d->tls);
	free(d);
}

size_t direct_connections(const struct direct *d)
{
	return d->connections;
}

int64_t direct_connects(const struct direct *d)
{
	return d->connects;
}
