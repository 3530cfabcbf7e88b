/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/http/http_fixture.h"

#include "lib/kit/file.h"
#include "lib/http/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_MS 60000
#define LARGE (32u * 1024 * 1024)

static void on_close(void *arg)
{
	struct fixture *f = arg;

	f->n_closed++;
}

void fixture_reply(struct http_req *r, int status, const char *body)
{
	http_reply_json(r, status, body);
}

static void describe(struct http_req *r)
{
	struct ssf_str x = http_header(r, "X-Test");
	struct ssf_str body = http_body(r);
	const char *q = http_query(r, "q");
	char text[4096];

	snprintf(text, sizeof(text),
		 "{\"method\":\"%s\",\"path\":\"%s\",\"q\":\"%s\",\"x\":\"%.*s\",\"x_count\":%zu,"
		 "\"body\":\"%.*s\",\"length\":%zu,\"peer\":\"%s\"}",
		 http_method(r), http_path(r), q != NULL ? q : "(none)", (int)x.len, x.ptr,
		 http_header_count(r, "X-Test"), body.len < 1000 ? (int)body.len : 1000, body.ptr,
		 body.len, http_peer(r));
	http_reply_json(r, 200, text);
}

static void reply_large(struct http_req *r, size_t len)
{
	char *bytes = malloc(len);

	assert_non_null(bytes);
	memset(bytes, 'L', len);
	http_reply(r, &(struct http_answer){ .status = 200,
					     .content_type = "text/plain",
					     .body = { bytes, len } });
	free(bytes);
}

static void on_request(void *arg, struct http_req *r)
{
	struct fixture *f = arg;

	f->n_requests++;
	if (strcmp(http_path(r), "/hold") == 0) {
		assert_true(f->n_held < FIXTURE_HELD);
		http_on_cancel(r, on_close, f);
		f->held[f->n_held++] = r;
	} else if (strcmp(http_path(r), "/large") == 0) {
		reply_large(r, LARGE);
	} else if (strncmp(http_path(r), "/kib", 4) == 0) {
		reply_large(r, strtoul(http_query(r, "q"), NULL, 10) * 1024);
	} else if (strcmp(http_path(r), "/redirect") == 0) {
		http_reply(r, &(struct http_answer){ .status = 302,
						     .headers = { { "Location", "/echo" } } });
	} else if (strcmp(http_path(r), "/retry") == 0) {
		const char *after = http_query(r, "after");

		http_reply(r, &(struct http_answer){
				      .status = 503,
				      .headers = { { "ETag", "\"v1\"" },
						   { after != NULL ? "Retry-After" : NULL, after } } });
	} else {
		describe(r);
	}
}

void fixture_init(struct fixture *f, bool tls)
{
	struct ssf_err err;

	memset(f, 0, sizeof(*f));
	assert_int_equal(loop_new(&f->loop, &err), 0);
	f->conf.listen = "127.0.0.1:0";
	strcpy(f->dir, "/tmp/http_test.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	if (!tls)
		return;
	assert_int_equal(dev_ca_make(f->dir, NULL, &err), 0);
	f->ca = file_join(f->dir, "ca.pem");
	f->cert = file_join(f->dir, "server.pem");
	f->key = file_join(f->dir, "server.key");
	f->conf.tls_cert = f->cert;
	f->conf.tls_key = f->key;
}

void fixture_start(struct fixture *f)
{
	struct ssf_err err = { 0 };

	if (http_server_new(f->loop, &f->conf, on_request, f, &f->server, &err) < 0)
		fail_msg("%s", err.msg);
}

void fixture_done(struct fixture *f)
{
	char command[96];

	http_server_free(f->server);
	loop_free(f->loop);
	snprintf(command, sizeof(command), "rm -rf %s", f->dir);
	assert_int_equal(system(command), 0);
	free(f->ca);
	free(f->cert);
	free(f->key);
}

static void check_until(void *arg)
{
	struct fixture *f = arg;

	if (f->until(f->until_arg) || loop_now_ms() > f->deadline)
		loop_stop(f->loop);
}

void fixture_until(struct fixture *f, bool (*until)(void *arg), void *arg)
{
	f->until = until;
	f->until_arg = arg;
	f->deadline = loop_now_ms() + PATIENCE_MS;
	f->tick = loop_tick_start(f->loop, 1, check_until, f);
	loop_run(f->loop);
	loop_tick_cancel(f->tick);
	if (loop_now_ms() > f->deadline)
		fail_msg("waited in vain");
}

struct count {
	const unsigned *counter;
	unsigned wanted;
};

static bool counted(void *arg)
{
	const struct count *c = arg;

	return *c->counter >= c->wanted;
}

void fixture_until_held(struct fixture *f, unsigned n)
{
	fixture_until(f, counted, &(struct count){ &f->n_held, n });
}

void fixture_until_closed(struct fixture *f, unsigned n)
{
	fixture_until(f, counted, &(struct count){ &f->n_closed, n });
}

struct connections {
	const struct http_server *server;
	size_t wanted;
};

static bool has_connections(void *arg)
{
	const struct connections *c = arg;

	return http_server_connections(c->server) == c->wanted;
}

void fixture_until_connections(struct fixture *f, unsigned n)
{
	fixture_until(f, has_connections, &(struct connections){ f->server, n });
}

void raw_open_tcp(struct raw *r, struct fixture *f)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_port = htons((uint16_t)http_server_port(f->server)),
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	memset(r, 0, sizeof(*r));
	r->f = f;
	r->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(r->fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(fcntl(r->fd, F_SETFL, O_NONBLOCK), 0);
}

static bool handshake_done(void *arg)
{
	struct raw *r = arg;

	return SSL_do_handshake(r->ssl) == 1;
}

void raw_open(struct raw *r, struct fixture *f)
{
	raw_open_tcp(r, f);
	if (f->cert == NULL)
		return;
	r->ctx = SSL_CTX_new(TLS_client_method());
	assert_int_equal(SSL_CTX_load_verify_locations(r->ctx, f->ca, NULL), 1);
	SSL_CTX_set_verify(r->ctx, SSL_VERIFY_PEER, NULL);
	r->ssl = SSL_new(r->ctx);
	SSL_set_fd(r->ssl, r->fd);
	SSL_set_connect_state(r->ssl);
	fixture_until(f, handshake_done, r);
}

static void note_end(struct raw *r, ssize_t n)
{
	if (n == 0)
		r->eof = true;
	else if (errno != EAGAIN)
		r->reset = true;
}

static void receive(struct raw *r)
{
	size_t room = sizeof(r->got) - 1 - r->len;

	if (r->ssl != NULL) {
		int n = SSL_read(r->ssl, r->got + r->len, (int)room);

		if (n > 0)
			r->len += (size_t)n;
		else if (SSL_get_error(r->ssl, n) == SSL_ERROR_ZERO_RETURN)
			r->eof = true;
		else if (SSL_get_error(r->ssl, n) != SSL_ERROR_WANT_READ)
			r->reset = true;
		ERR_clear_error();
	} else {
		ssize_t n = recv(r->fd, r->got + r->len, room, 0);

		if (n > 0)
			r->len += (size_t)n;
		else
			note_end(r, n);
	}
	r->got[r->len] = '\0';
}

struct sending {
	struct raw *r;
	const char *bytes;
	size_t left;
};

/* Reads too, as a client that does both would; a server that has closed ends it. */
static bool sent(void *arg)
{
	struct sending *s = arg;
	struct raw *r = s->r;
	ssize_t n;

	if (r->ssl != NULL)
		n = SSL_write(r->ssl, s->bytes, s->left > 16384 ? 16384 : (int)s->left);
	else
		n = send(r->fd, s->bytes, s->left, MSG_NOSIGNAL);
	if (n > 0) {
		s->bytes += n;
		s->left -= (size_t)n;
	} else if (r->ssl == NULL && errno != EAGAIN) {
		return true;
	}
	return s->left == 0;
}

void raw_send_bytes(struct raw *r, const char *bytes, size_t len)
{
	struct sending s = { r, bytes, len };

	if (!sent(&s))
		fixture_until(r->f, sent, &s);
}

void raw_send(struct raw *r, const char *text)
{
	raw_send_bytes(r, text, strlen(text));
}

static bool has_wanted(void *arg)
{
	struct raw *r = arg;

	receive(r);
	return strstr(r->got, r->wanted) != NULL || r->eof || r->reset;
}

void raw_until(struct raw *r, const char *wanted)
{
	r->wanted = wanted;
	fixture_until(r->f, has_wanted, r);
	if (strstr(r->got, wanted) == NULL)
		fail_msg("closed (%s) before \"%s\" came; got: %s", r->reset ? "reset" : "eof",
			 wanted, r->got);
}

static bool has_ended(void *arg)
{
	struct raw *r = arg;

	receive(r);
	return r->eof || r->reset;
}

void raw_until_eof(struct raw *r)
{
	fixture_until(r->f, has_ended, r);
	assert_false(r->reset);
}

void raw_clear(struct raw *r)
{
	r->len = 0;
	r->got[0] = '\0';
}

void raw_end_sending(struct raw *r)
{
	if (r->ssl != NULL)
		SSL_shutdown(r->ssl);
	shutdown(r->fd, SHUT_WR);
}

void raw_close(struct raw *r)
{
	SSL_free(r->ssl);
	SSL_CTX_free(r->ctx);
	close(r->fd);
}
