/* SPDX-License-Identifier: Apache-2.0 */
/* POSTs on connections of our own, against a server that answers as it is told, or not at all. */
#include "lib/http/http_client.h"

#include "lib/http/http_server.h"
#include "lib/ssf/attr.h"

#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/http/http_fixture.h"

#include <cmocka.h>

#define CONNS 16
#define REQUEST_MAX (3 * 1024 * 1024)
#define ACCEPTED "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"
#define NOTHING ""

struct step {
	const char *answer;
	bool close;
};

struct server;

struct server_conn {
	struct server *server;
	int fd;
	struct loop_watch *watch;
	char *got;
	size_t len;
};

/* Answers requests with steps, in order, and then with 202. */
struct server {
	struct loop *loop;
	int fd;
	unsigned port;
	struct loop_watch *watch;
	struct server_conn conns[CONNS];
	unsigned accepted, requests;
	const struct step *steps; /* of requests from the first that has not been sent yet */
	unsigned n_steps;
	char last[4096];          /* request, cut off */
	size_t last_body;
	bool hasty;               /* answers what it has seen the head of, and reads no more */
};

struct direct_fixture {
	struct fixture f; /* its loop, and its directory with certificates */
	struct egress_policy *guard;
	struct ca_store *trust;
	struct http_client *client;
	struct server server;
	unsigned n_done, wanted;
	int status;
	enum ssf_code code;
	char body[256];
	bool connected;
	struct http_call *call;
};

/* --- the server ---------------------------------------------------------------------------------------- */

static void conn_close(struct server_conn *c)
{
	if (c->fd < 0)
		return;
	loop_watch_cancel(c->watch);
	close(c->fd);
	free(c->got);
	c->fd = -1;
}

/* The length of the first request that is whole; 0: none is. */
static size_t whole_request(const struct server_conn *c, size_t *body)
{
	const char *end = memmem(c->got, c->len, "\r\n\r\n", 4);
	const char *length = memmem(c->got, c->len, "Content-Length: ", 16);

	if (end == NULL || length == NULL)
		return 0;
	*body = strtoul(length + 16, NULL, 10);
	size_t len = (size_t)(end - c->got) + 4 + *body;
	return c->len >= len ? len : 0;
}

static void answer(struct server_conn *c)
{
	struct server *s = c->server;
	struct step step = { ACCEPTED, false };

	if (s->n_steps > 0) {
		step = *s->steps++;
		s->n_steps--;
	}
	s->requests++;
	assert_int_equal(write(c->fd, step.answer, strlen(step.answer)), strlen(step.answer));
	if (step.close)
		conn_close(c);
}

static void on_conn(void *arg, bool readable, bool writable)
{
	struct server_conn *c = arg;
	struct server *s = c->server;
	ssize_t n = read(c->fd, c->got + c->len, REQUEST_MAX - c->len);
	size_t len;

	(void)readable;
	(void)writable;
	if (n <= 0) {
		conn_close(c);
		return;
	}
	c->len += (size_t)n;
	if (s->hasty) {
		answer(c);
		loop_watch_cancel(c->watch);
		c->watch = NULL;
		return;
	}
	len = whole_request(c, &s->last_body);
	if (len == 0)
		return;
	assert_int_equal(c->len, len); /* one at a time */
	snprintf(s->last, sizeof(s->last), "%.*s", (int)len, c->got);
	c->len = 0;
	answer(c);
}

static int connect_to(unsigned port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port),
				  .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0 && (connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0 || errno == EINPROGRESS));
	return fd;
}

static void on_accept(void *arg, bool readable, bool writable)
{
	struct server *s = arg;
	struct server_conn *c = s->conns;

	(void)readable;
	(void)writable;
	while (c->fd >= 0)
		assert_true(++c < s->conns + CONNS);
	*c = (struct server_conn){ .server = s, .fd = accept(s->fd, NULL, NULL), .got = malloc(REQUEST_MAX) };
	assert_true(c->fd >= 0 && c->got != NULL);
	c->watch = loop_watch_start(s->loop, c->fd, true, false, on_conn, c);
	s->accepted++;
}

static void server_start(struct server *s, struct loop *loop)
{
	struct ssf_err err;

	s->loop = loop;
	for (unsigned i = 0; i < CONNS; i++)
		s->conns[i].fd = -1;
	assert_int_equal(http_listen("127.0.0.1:0", HTTP_ALONE, &s->fd, &s->port, &err), 0);
	/* so that what is large has to wait */
	assert_int_equal(setsockopt(s->fd, SOL_SOCKET, SO_RCVBUF, &(int){ 16384 }, sizeof(int)), 0);
	s->watch = loop_watch_start(loop, s->fd, true, false, on_accept, s);
}

static void server_close_conns(struct server *s)
{
	for (unsigned i = 0; i < CONNS; i++)
		conn_close(&s->conns[i]);
}

static void server_stop(struct server *s)
{
	loop_watch_cancel(s->watch);
	s->watch = NULL;
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	server_close_conns(s);
}

static void say(struct server *s, const struct step *steps, unsigned n)
{
	s->steps = steps;
	s->n_steps = n;
}

/* --- calls ----------------------------------------------------------------------------------------------- */

static void on_done(void *arg, const struct http_result *result, const struct ssf_err *err)
{
	struct direct_fixture *t = arg;

	t->n_done++;
	t->code = err != NULL ? err->code : SSF_OK;
	t->status = result != NULL ? result->status : 0;
	t->connected = http_call_connected(t->call);
	snprintf(t->body, sizeof(t->body), "%.*s", result != NULL ? (int)result->body.len : 0,
		 result != NULL ? result->body.ptr : "");
}

static void start_spec(struct direct_fixture *t, const struct http_call_spec *spec, http_done_f *done)
{
	struct ssf_err err;

	if (http_call_start(t->client, spec, done, t, &t->call, &err) < 0)
		fail_msg("%s", err.msg);
	t->wanted++;
}

static void start(struct direct_fixture *t, struct ssf_str body, int timeout_ms)
{
	char url[64];

	snprintf(url, sizeof(url), "http://127.0.0.1:%u/path?q", t->server.port);
	struct http_call_spec spec = { .method = "POST", .url = url,
				       .headers = { "A: b", "C: d", "E: f", "G: h", "I: j", "K: l", "M: n", "O: p",
						    "Q: r", "S: t", "U: v", "W: x" }, /* as many as there may be */
				       .body = body, .timeout_ms = timeout_ms };
	start_spec(t, &spec, on_done);
}

static bool all_done(void *arg)
{
	const struct direct_fixture *t = arg;

	return t->n_done == t->wanted;
}

/* Something short to the root of a host. */
static void run_to(struct direct_fixture *t, const char *method, const char *scheme, const char *host, unsigned port,
		   http_done_f *done)
{
	char url[64];

	snprintf(url, sizeof(url), "%s://%s:%u/", scheme, host, port);
	struct http_call_spec spec = { .method = method, .url = url, .body = SSF_STR("x"), .timeout_ms = 5000 };
	start_spec(t, &spec, done);
	fixture_until(&t->f, all_done, t);
}

static void run_one(struct direct_fixture *t)
{
	start(t, SSF_STR("hi"), 5000);
	fixture_until(&t->f, all_done, t);
}

static int set_up(void **state)
{
	struct direct_fixture *t = calloc(1, sizeof(*t));
	struct ssf_err err;

	*state = t;
	fixture_init(&t->f, true);
	assert_int_equal(egress_policy_new("127.0.0.0/8", true, &t->guard, &err), 0);
	assert_int_equal(ca_store_new(t->f.ca, &t->trust, &err), 0);
	assert_int_equal(http_client_new(t->f.loop, t->guard, t->trust, &t->client, &err), 0);
	assert_int_equal(http_client_go_direct(t->client, &err), 0);
	server_start(&t->server, t->f.loop);
	run_one(t); /* by curl, which is told that it need not keep its connection */
	run_one(t);
	assert_int_equal(t->status, 202);
	assert_int_equal(t->server.accepted, 2);
	assert_int_equal(http_client_connections(t->client), 1);
	return 0;
}

static int tear_down(void **state)
{
	struct direct_fixture *t = *state;

	http_client_free(t->client);
	ca_store_free(t->trust);
	egress_policy_free(t->guard);
	server_stop(&t->server);
	fixture_done(&t->f);
	free(t);
	return 0;
}

/* --- tests ------------------------------------------------------------------------------------------------ */

static void keeps_its_connection(void **state)
{
	struct direct_fixture *t = *state;
	char wanted[300];

	for (int i = 0; i < 20; i++)
		run_one(t);
	assert_int_equal(t->code, SSF_OK);
	assert_true(t->connected);
	assert_int_equal(t->server.accepted, 2);
	assert_int_equal(http_client_connects(t->client), 2);
	snprintf(wanted, sizeof(wanted),
		 "POST /path?q HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nContent-Length: 2\r\nA: b\r\nC: d\r\nE: f\r\nG: h\r\nI: j\r\n"
		 "K: l\r\nM: n\r\nO: p\r\nQ: r\r\nS: t\r\nU: v\r\nW: x\r\n\r\nhi", t->server.port);
	assert_string_equal(t->server.last, wanted);
}

static void has_one_for_each_call_at_once(void **state)
{
	struct direct_fixture *t = *state;

	for (int i = 0; i < 8; i++)
		start(t, SSF_STR("x"), 5000);
	fixture_until(&t->f, all_done, t);
	assert_int_equal(t->server.accepted, 9);
	for (int i = 0; i < 8; i++)
		start(t, SSF_STR("x"), 5000);
	fixture_until(&t->f, all_done, t);
	assert_int_equal(t->server.accepted, 9);
	assert_int_equal(t->code, SSF_OK);
}

static void reads_any_answer(void **state)
{
	static const struct step steps[] = {
		{ "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 400 No\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nlong\r\n2\r\ner\r\n0\r\n\r\n",
		  false },
		{ "HTTP/1.1 400 No\r\nContent-Length: 4\r\nConnection: close\r\n\r\ntext", false },
		{ "HTTP/1.1 400 No\r\n\r\nto the end", true },
	};
	static const char *const bodies[] = { "longer", "text", "to the end" };
	struct direct_fixture *t = *state;

	say(&t->server, steps, SSF_ARRAY_SIZE(steps));
	for (size_t i = 0; i < SSF_ARRAY_SIZE(bodies); i++) {
		run_one(t);
		assert_int_equal(t->status, 400);
		assert_string_equal(t->body, bodies[i]);
		assert_int_equal(t->server.accepted, i < 2 ? 2 : 3); /* the second is not kept */
	}
	run_one(t);
	assert_int_equal(t->status, 202);
	assert_int_equal(t->server.accepted, 4);
	assert_int_equal(t->server.requests, 6);
}

/* Before the next call: it is seen. */
static void a_kept_one_may_be_closed(void **state)
{
	struct direct_fixture *t = *state;

	server_close_conns(&t->server);
	run_one(t);
	assert_int_equal(t->status, 202);
	assert_int_equal(t->server.accepted, 3);
	assert_int_equal(t->server.requests, 3);
}

/* As the next call is sent: it is sent again, by curl, and once. */
static void a_kept_one_may_be_closed_too_late(void **state)
{
	static const struct step steps[] = { { NOTHING, true }, { ACCEPTED, false } };
	struct direct_fixture *t = *state;

	say(&t->server, steps, SSF_ARRAY_SIZE(steps));
	run_one(t);
	assert_int_equal(t->status, 202);
	assert_int_equal(t->server.requests, 4);
	assert_non_null(strstr(t->server.last, "POST /path?q HTTP/1.1\r\n"));
	assert_non_null(strstr(t->server.last, "\r\nA: b\r\nC: d\r\nE: f\r\n"));
	assert_non_null(strstr(t->server.last, "\r\nW: x\r\n"));
	assert_non_null(strstr(t->server.last, "\r\n\r\nhi"));
}

/* An answer that has begun, and one on a connection that is new, are not asked for again. */
static void what_may_have_arrived_is_not_sent_again(void **state)
{
	static const struct step steps[] = {
		{ "HTTP/1.1 2", true },
		{ "HTTP/1.1 202 Accepted\r\nContent-Length: 5\r\n\r\nshort", true },
		{ NOTHING, true },
	};
	struct direct_fixture *t = *state;

	say(&t->server, steps, SSF_ARRAY_SIZE(steps));
	run_one(t);
	assert_int_equal(t->code, SSF_E_UNAVAILABLE);
	assert_true(t->connected);
	run_one(t);
	assert_int_equal(t->status, 202); /* it was whole */
	run_one(t);
	assert_int_equal(t->code, SSF_E_UNAVAILABLE);
	assert_int_equal(t->server.requests, 5);
	assert_int_equal(t->server.n_steps, 0);
}

static void nothing_unasked_is_taken_for_an_answer(void **state)
{
	static const struct step steps[] = {
		{ ACCEPTED "HTTP/1.1 200 Forged\r\nContent-Length: 0\r\n\r\n", false },
		{ "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", false },
	};
	struct direct_fixture *t = *state;

	say(&t->server, steps, SSF_ARRAY_SIZE(steps));
	run_one(t);
	assert_int_equal(t->status, 202);
	run_one(t);
	assert_int_equal(t->status, 503);
	assert_int_equal(t->server.accepted, 3);
	/* and after it was kept, before the loop has seen it */
	for (unsigned i = 0; i < CONNS; i++) {
		if (t->server.conns[i].fd >= 0)
			assert_int_equal(write(t->server.conns[i].fd, "HTTP/1.1 200 Forged\r\n\r\n", 23), 23);
	}
	run_one(t);
	assert_int_equal(t->status, 202);
	assert_int_equal(t->server.accepted, 4);
}

/* Curl takes more: what a receiver sends that we do not understand is not to be asked for again and again. */
static void what_it_cannot_read_is_left_to_curl(void **state)
{
	static const char answer[] = "HTTP/1.1 202 OK\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
	static const struct step steps[] = { { answer, false }, { answer, true } };
	struct direct_fixture *t = *state;

	say(&t->server, steps, SSF_ARRAY_SIZE(steps));
	run_one(t);
	assert_int_equal(t->code, SSF_E_MALFORMED);
	assert_int_equal(http_client_connections(t->client), 0);
	run_one(t);
	assert_int_equal(t->status, 202);
	run_one(t);
	assert_int_equal(t->server.requests, 5);
}

/* The third of "4096 16384 4194304". */
static long send_buffer_max(void)
{
	FILE *f = fopen("/proc/sys/net/ipv4/tcp_wmem", "r");
	long max = 0;

	if (f != NULL && fscanf(f, "%*d %*d %ld", &max) != 1)
		max = 0;
	if (f != NULL)
		fclose(f);
	return max;
}

static void an_answer_before_the_request_is_none(void **state)
{
	static char body[4 * 1000 * 1000];
	struct direct_fixture *t = *state;

	if (send_buffer_max() > 4194304)
		skip(); /* the kernel takes all of the largest request at once: it is sent before there can be an answer */
	t->server.hasty = true;
	start(t, (struct ssf_str){ body, sizeof(body) }, 10000);
	fixture_until(&t->f, all_done, t);
	assert_int_equal(t->code, SSF_E_UNAVAILABLE);
}

/* There is another address, perhaps. */
static void who_does_not_come_through_is_left_to_curl(void **state)
{
	struct direct_fixture *t = *state;
	struct server_conn *c = t->server.conns;

	/* nobody accepts, and the queue is full: a new connection is not made, nor refused */
	loop_watch_cancel(t->server.watch);
	t->server.watch = NULL;
	server_close_conns(&t->server);
	assert_int_equal(listen(t->server.fd, 0), 0);
	for (int i = 0; i < 4; i++)
		c[i] = (struct server_conn){ .server = &t->server, .fd = connect_to(t->server.port) };
	int64_t before = loop_now_ms();
	start(t, SSF_STR("hi"), 600);
	fixture_until(&t->f, all_done, t);
	assert_int_equal(t->code, SSF_E_UNAVAILABLE);
	assert_false(t->connected);
	assert_true(loop_now_ms() - before >= 500);
	assert_int_equal(http_client_connects(t->client), 4); /* curl has tried, too */
}

static void hosts_are_as_curl_writes_them(void **state)
{
	static const char *const others[] = { "127.1", "LOCALHOST", "0x7f.0.0.1", "2130706433" };
	struct direct_fixture *t = *state;

	for (size_t i = 0; i < SSF_ARRAY_SIZE(others); i++) {
		int64_t before = http_client_connects(t->client);
		for (int n = 0; n < 3; n++) {
			run_to(t, "POST", "http", others[i], t->server.port, on_done);
			assert_int_equal(t->status, 202);
		}
		assert_true(http_client_connects(t->client) - before <= 1); /* kept by curl */
	}
}

static void free_client(void *arg, const struct http_result *result, const struct ssf_err *err)
{
	struct direct_fixture *t = arg;

	(void)result;
	(void)err;
	t->n_done++;
	http_client_free(t->client);
	t->client = NULL;
}

static void a_callback_may_free_the_client(void **state)
{
	struct direct_fixture *t = *state;

	run_to(t, "POST", "http", "127.0.0.1", t->server.port, free_client);
}

static void has_one_deadline(void **state)
{
	static const struct step steps[] = { { NOTHING, false }, { "HTTP/1.1 202", false } };
	struct direct_fixture *t = *state;

	say(&t->server, steps, SSF_ARRAY_SIZE(steps));
	for (size_t i = 0; i < SSF_ARRAY_SIZE(steps); i++) {
		start(t, SSF_STR("hi"), 50);
		fixture_until(&t->f, all_done, t);
		assert_int_equal(t->code, SSF_E_TIMEOUT);
		assert_true(t->connected);
		assert_int_equal(http_client_connections(t->client), 0);
	}
}

static void sends_what_is_large(void **state)
{
	static char body[2 * 1024 * 1024];
	struct direct_fixture *t = *state;

	memset(body, 'x', sizeof(body));
	start(t, (struct ssf_str){ body, sizeof(body) }, 10000);
	fixture_until(&t->f, all_done, t);
	assert_int_equal(t->status, 202);
	assert_int_equal(t->server.last_body, sizeof(body));
	run_one(t);
	assert_int_equal(t->server.accepted, 2);
}

static void a_host_that_is_gone_is_unavailable(void **state)
{
	struct direct_fixture *t = *state;

	server_stop(&t->server);
	for (int i = 0; i < 3; i++) {
		run_one(t);
		assert_int_equal(t->code, SSF_E_UNAVAILABLE);
		assert_false(t->connected);
	}
}

static void cancelled_calls_are_silent(void **state)
{
	static const struct step steps[] = { { NOTHING, false }, { NOTHING, false } };
	struct direct_fixture *t = *state;

	say(&t->server, steps, SSF_ARRAY_SIZE(steps));
	start(t, SSF_STR("x"), 5000);
	http_call_cancel(t->call);
	start(t, SSF_STR("x"), 5000);
	http_call_cancel(t->call); /* not connected yet */
	t->wanted -= 2;
	say(&t->server, NULL, 0);
	run_one(t);
	assert_int_equal(t->n_done, 3);
	start(t, SSF_STR("x"), 5000);
	start(t, SSF_STR("x"), 5000); /* they go with their client */
}

static void other_methods_go_by_curl(void **state)
{
	struct direct_fixture *t = *state;
	struct ssf_err err;
	char url[64];

	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", t->server.port);
	const struct http_call_spec spec = { .method = "POST", .url = url, .headers = { "A: b\r\nC: d" } };

	run_to(t, "PUT", "http", "127.0.0.1", t->server.port, on_done);
	assert_int_equal(t->status, 202);
	assert_int_equal(t->server.accepted, 3);
	assert_int_equal(http_call_start(t->client, &spec, on_done, t, &t->call, &err), -1);
	assert_int_equal(err.code, SSF_E_MALFORMED);
}

/* --- TLS --------------------------------------------------------------------------------------------------- */

static void run_tls(struct direct_fixture *t, const char *host)
{
	run_to(t, "POST", "https", host, http_server_port(t->f.server), on_done);
}

static void verifies_as_curl_does(void **state)
{
	static const char *const hosts[] = { "127.0.0.1", "localhost" };
	struct direct_fixture *t = *state;
	struct fixture other;
	char listen[32];

	fixture_start(&t->f);
	for (size_t i = 0; i < SSF_ARRAY_SIZE(hosts); i++) {
		int64_t before = http_client_connects(t->client);
		for (int n = 0; n < 4; n++)
			run_tls(t, hosts[i]);
		assert_int_equal(t->status, 200);
		assert_int_equal(http_client_connects(t->client) - before, 2);
	}
	/* somebody else is there now */
	snprintf(listen, sizeof(listen), "127.0.0.1:%u", http_server_port(t->f.server));
	http_server_free(t->f.server);
	fixture_init(&other, true);
	t->f.conf = other.conf;
	t->f.conf.listen = listen;
	fixture_start(&t->f);
	run_tls(t, "127.0.0.1");
	assert_int_equal(t->code, SSF_E_KEY);
	assert_false(t->connected);
	run_tls(t, "localhost");
	assert_int_equal(t->code, SSF_E_KEY);
	assert_int_equal(t->f.n_requests, 8);
	fixture_done(&other);
}

#define direct_test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		direct_test(keeps_its_connection),
		direct_test(has_one_for_each_call_at_once),
		direct_test(reads_any_answer),
		direct_test(a_kept_one_may_be_closed),
		direct_test(a_kept_one_may_be_closed_too_late),
		direct_test(what_may_have_arrived_is_not_sent_again),
		direct_test(nothing_unasked_is_taken_for_an_answer),
		direct_test(what_it_cannot_read_is_left_to_curl),
		direct_test(an_answer_before_the_request_is_none),
		direct_test(who_does_not_come_through_is_left_to_curl),
		direct_test(hosts_are_as_curl_writes_them),
		direct_test(a_callback_may_free_the_client),
		direct_test(has_one_deadline),
		direct_test(sends_what_is_large),
		direct_test(a_host_that_is_gone_is_unavailable),
		direct_test(cancelled_calls_are_silent),
		direct_test(other_methods_go_by_curl),
		direct_test(verifies_as_curl_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
