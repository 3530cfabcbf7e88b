/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the curl multi handle, a watch for each of its sockets, its one timer,
 * and the calls. A call is in one of two lists: running (in the multi handle)
 * or finished (out of it, its callback still to come). Callbacks run from an
 * event of their own: there they may start and cancel calls and free the client.
 */
#include "lib/http/http_client.h"

#include "lib/http/http_direct.h"
#include "lib/http/http_response.h"
#include "lib/ssf/attr.h"

#include <curl/curl.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>
#include <unistd.h>

#define TIMEOUT_MS 10000
#define BODY_MAX (1024 * 1024)
#define BUFFER_SIZE 16384L
#define CACHED_CONNECTIONS 16384L
#define SPARE_HANDLES 256 /* of curl, kept to be used again: making one costs as much as a small call */

struct http_call {
	TAILQ_ENTRY(http_call) entry;
	struct http_client *client;
	CURL *easy;
	struct curl_slist *headers;
	struct ssf_buf body;
	http_done_f *done;
	void *arg;
	bool finished;
	bool is_direct; /* not by curl */
	struct direct_call direct;
	int64_t started_us;
	CURLcode result;
	bool denied; /* by the guard; its error is in err */
	struct ssf_err err;
};

TAILQ_HEAD(call_list, http_call);

struct http_client {
	struct loop *loop;
	const struct egress_policy *guard;
	struct ca_store *trust;
	CURLM *multi;
	struct direct *direct; /* NULL: all is by curl */
	struct loop_timer *timer;
	struct event deliver;
	struct call_list running;
	struct call_list finished;
	size_t connections;
	int64_t connects;
	CURL *spare[SPARE_HANDLES];
	size_t spare_count;
	bool calling; /* callbacks run; what is freed meanwhile is given back after them */
	bool freed;
};

struct sock {
	struct http_client *client;
	struct loop_watch *watch;
	curl_socket_t fd;
};

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static CURLcode curl_ready = CURLE_FAILED_INIT;

static void init_curl(void)
{
	curl_ready = curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* Connections and what curl knows of names and TLS sessions stay with the multi handle. */
static CURL *handle_take(struct http_client *c)
{
	return c->spare_count > 0 ? c->spare[--c->spare_count] : curl_easy_init();
}

static void handle_give_back(struct http_client *c, CURL *easy)
{
	long version = 0;

	if (easy == NULL)
		return;
	/* one that has spoken HTTP/2 lets later HTTP/1.1 calls wait for each other, in spite of the reset (7.88) */
	curl_easy_getinfo(easy, CURLINFO_HTTP_VERSION, &version);
	if (c->freed || c->spare_count == SPARE_HANDLES || version >= CURL_HTTP_VERSION_2) {
		curl_easy_cleanup(easy);
		return;
	}
	curl_easy_reset(easy);
	c->spare[c->spare_count++] = easy;
}

static void http_call_free(struct http_call *call)
{
	if (call == NULL)
		return;
	direct_call_done(&call->direct);
	handle_give_back(call->client, call->easy);
	curl_slist_free_all(call->headers);
	ssf_buf_done(&call->body);
	free(call);
}

SSF_DEFINE_AUTO(http_call)

/* Takes a call out of everything but memory. */
static void detach(struct http_call *call)
{
	struct http_client *c = call->client;

	if (call->finished) {
		TAILQ_REMOVE(&c->finished, call, entry);
	} else {
		TAILQ_REMOVE(&c->running, call, entry);
		if (!call->is_direct)
			curl_multi_remove_handle(c->multi, call->easy);
	}
}

static void finish(struct http_call *call)
{
	struct http_client *c = call->client;

	detach(call);
	call->finished = true;
	TAILQ_INSERT_TAIL(&c->finished, call, entry);
	event_active(&c->deliver, EV_TIMEOUT, 0);
}

/* Where it was connected to, for those that come after it. */
static void learn(struct http_client *c, CURL *easy)
{
	char *url = NULL, *ip = NULL;
	long port = 0, version = 0;

	if (c->direct != NULL && curl_easy_getinfo(easy, CURLINFO_EFFECTIVE_URL, &url) == CURLE_OK &&
	    curl_easy_getinfo(easy, CURLINFO_PRIMARY_IP, &ip) == CURLE_OK &&
	    curl_easy_getinfo(easy, CURLINFO_PRIMARY_PORT, &port) == CURLE_OK &&
	    curl_easy_getinfo(easy, CURLINFO_HTTP_VERSION, &version) == CURLE_OK)
		direct_learn(c->direct, url, ip, (unsigned)port, version < CURL_HTTP_VERSION_2);
}

static void collect_finished(struct http_client *c)
{
	CURLMsg *msg;
	int left;

	while ((msg = curl_multi_info_read(c->multi, &left)) != NULL) {
		CURLcode result = msg->data.result;
		char *private = NULL;

		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &private);
		struct http_call *call = (struct http_call *)(void *)private;
		call->result = result;
		if (result == CURLE_OK)
			learn(c, call->easy);
		finish(call); /* msg is gone from here on */
	}
}

static void on_socket_ready(void *arg, bool readable, bool writable)
{
	const struct sock *s = arg;
	struct http_client *c = s->client;
	int what = (readable ? CURL_CSELECT_IN : 0) | (writable ? CURL_CSELECT_OUT : 0);
	int running;

	curl_multi_socket_action(c->multi, s->fd, what, &running); /* may free s */
	collect_finished(c);
}

static void sock_free(struct sock *s)
{
	if (s == NULL)
		return;
	loop_watch_cancel(s->watch);
	free(s);
}

/* CURLMOPT_SOCKETFUNCTION: curl says what it waits for. */
static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *sock_arg)
{
	struct http_client *c = arg;
	struct sock *s = sock_arg;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		curl_multi_assign(c->multi, fd, NULL);
		sock_free(s);
		return 0;
	}
	if (s == NULL) {
		s = calloc(1, sizeof(*s));
		if (s == NULL)
			return -1;
		s->client = c;
		s->fd = fd;
		curl_multi_assign(c->multi, fd, s);
	}
	loop_watch_cancel(s->watch);
	s->watch = loop_watch_start(c->loop, fd, (what & CURL_POLL_IN) != 0,
				    (what & CURL_POLL_OUT) != 0, on_socket_ready, s);
	return s->watch != NULL ? 0 : -1;
}

static void on_timer(void *arg)
{
	struct http_client *c = arg;
	int running;

	c->timer = NULL;
	curl_multi_socket_action(c->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	collect_finished(c);
}

static int on_curl_timer(CURLM *multi, long ms, void *arg)
{
	struct http_client *c = arg;

	(void)multi;
	loop_timer_cancel(c->timer);
	c->timer = NULL;
	if (ms < 0)
		return 0;
	c->timer = loop_timer_start(c->loop, ms, on_timer, c);
	return c->timer != NULL ? 0 : -1;
}

static const char *answer_header(struct http_call *call, const char *name)
{
	struct curl_header *h = NULL;

	if (curl_easy_header(call->easy, name, 0, CURLH_HEADER, -1, &h) != CURLHE_OK)
		return NULL;
	return h->value;
}

static const char *text_or_null(const char *text)
{
	return *text != '\0' ? text : NULL;
}

static void fill_direct_result(const struct http_call *call, struct http_result *out)
{
	const struct http_response *a = &call->direct.answer;

	*out = (struct http_result){
		.status = a->status,
		.body = ssf_buf_str(&a->body),
		.content_type = text_or_null(a->content_type),
		.retry_after = a->retry_after,
		.etag = text_or_null(a->etag),
		.elapsed_us = loop_now_us() - call->started_us,
	};
}

static void fill_curl_result(struct http_call *call, struct http_result *out)
{
	long status = 0;
	char *content_type = NULL;
	curl_off_t elapsed = 0;

	curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(call->easy, CURLINFO_CONTENT_TYPE, &content_type);
	curl_easy_getinfo(call->easy, CURLINFO_TOTAL_TIME_T, &elapsed);
	*out = (struct http_result){
		.status = (int)status,
		.body = ssf_buf_str(&call->body),
		.content_type = content_type,
		.retry_after = http_retry_after(answer_header(call, "Retry-After")),
		.etag = answer_header(call, "ETag"),
		.elapsed_us = elapsed,
	};
}

static void fill_result(struct http_call *call, struct http_result *out)
{
	if (call->is_direct)
		fill_direct_result(call, out);
	else
		fill_curl_result(call, out);
}

/* The request has gone out, or would have next: there is a connection, and TLS where it has to be. */
static bool was_connected(const struct http_call *call)
{
	curl_off_t us = 0;

	return curl_easy_getinfo(call->easy, CURLINFO_PRETRANSFER_TIME_T, &us) == CURLE_OK && us > 0;
}

bool http_call_connected(const struct http_call *call)
{
	if (call->is_direct)
		return direct_was_connected(&call->direct);
	switch (call->result) {
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
		return false; /* a kept one may have broken before; this is what came of the new one */
	default:
		return was_connected(call);
	}
}

static void fill_error(struct http_call *call)
{
	const char *why = curl_easy_strerror(call->result);
	enum ssf_code code;

	if (call->is_direct) /* it is there already */
		return;
	switch (call->result) {
	case CURLE_OPERATION_TIMEDOUT:
		code = was_connected(call) ? SSF_E_TIMEOUT : SSF_E_UNAVAILABLE;
		break;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_ISSUER_ERROR:
		code = SSF_E_KEY;
		break;
	case CURLE_URL_MALFORMAT:
	case CURLE_UNSUPPORTED_PROTOCOL:
		code = SSF_E_MALFORMED;
		break;
	case CURLE_OUT_OF_MEMORY:
		code = SSF_E_NOMEM;
		break;
	case CURLE_WRITE_ERROR:
		code = SSF_E_LIMIT;
		why = "the answer is too large";
		break;
	default:
		if (call->denied) /* the guard's error is there already */
			return;
		code = SSF_E_UNAVAILABLE;
	}
	ssf_fail(&call->err, code, "http: %s", why);
}

static void deliver(struct http_call *call)
{
	struct http_result result;

	detach(call);
	if (call->result == CURLE_OK) {
		fill_result(call, &result);
		call->done(call->arg, &result, NULL);
	} else {
		fill_error(call);
		call->done(call->arg, NULL, &call->err);
	}
	http_call_free(call);
}

/* A callback may cancel others of those that have finished, and even free the client. */
static void on_deliver(evutil_socket_t fd, short what, void *arg)
{
	struct http_client *c = arg;

	(void)fd;
	(void)what;
	c->calling = true;
	while (!TAILQ_EMPTY(&c->finished))
		deliver(TAILQ_FIRST(&c->finished));
	c->calling = false;
	if (c->freed)
		free(c);
}

/* CURLOPT_SSL_CTX_FUNCTION: instead of what curl would read of files for it, on the loop. */
static CURLcode use_trust(CURL *easy, void *ssl_ctx, void *arg)
{
	const struct http_client *c = arg;

	(void)easy;
	return ca_store_use(c->trust, ssl_ctx) == 0 ? CURLE_OK : CURLE_OUT_OF_MEMORY;
}

int http_client_new(struct loop *loop, const struct egress_policy *guard, struct ca_store *trust,
		    struct http_client **out, struct ssf_err *err)
{
	struct http_client *c = calloc(1, sizeof(*c));

	pthread_once(&curl_once, init_curl);
	if (c == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "http client: out of memory");
	c->loop = loop;
	c->guard = guard;
	c->trust = trust;
	TAILQ_INIT(&c->running);
	TAILQ_INIT(&c->finished);
	event_assign(&c->deliver, loop_base(loop), -1, 0, on_deliver, c);
	c->multi = curl_ready == CURLE_OK ? curl_multi_init() : NULL;
	if (c->multi == NULL) {
		http_client_free(c);
		return ssf_fail(err, SSF_E_NOMEM, "http client: curl does not start");
	}
	curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
	curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
	curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
	curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
	curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, CACHED_CONNECTIONS);
	*out = c;
	return 0;
}

int http_client_go_direct(struct http_client *c, struct ssf_err *err)
{
	return direct_new(c->loop, c->guard, c->trust, &c->direct, err);
}

void http_client_free(struct http_client *c)
{
	struct http_call *call;

	if (c == NULL)
		return;
	while ((call = TAILQ_FIRST(&c->running)) != NULL)
		http_call_cancel(call);
	while ((call = TAILQ_FIRST(&c->finished)) != NULL)
		http_call_cancel(call);
	while (c->spare_count > 0)
		curl_easy_cleanup(c->spare[--c->spare_count]);
	direct_free(c->direct);
	if (c->multi != NULL)
		curl_multi_cleanup(c->multi); /* closes the kept connections, through on_curl_socket */
	loop_timer_cancel(c->timer);
	event_del(&c->deliver);
	c->freed = true;
	if (!c->calling)
		free(c);
}

static size_t on_body(char *bytes, size_t size, size_t n, void *arg)
{
	struct http_call *call = arg;

	(void)size; /* always 1 */
	return ssf_buf_add(&call->body, bytes, n) == 0 ? n : 0;
}

/* CURLOPT_HEADERFUNCTION: by HTTP/1.1 the next goes on a connection of ours, so that curl need not keep its own. */
static size_t on_header(char *bytes, size_t size, size_t n, void *arg)
{
	const struct http_call *call = arg;

	if (n > 7 && memcmp(bytes, "HTTP/1.", 7) == 0)
		curl_easy_setopt(call->easy, CURLOPT_FORBID_REUSE, 1L);
	return size * n;
}

/* CURLOPT_OPENSOCKETFUNCTION: the last moment before a connect. */
static curl_socket_t on_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *addr)
{
	struct http_call *call = arg;
	const struct egress_policy *guard = call->client->guard;

	(void)purpose;
	if (guard != NULL && egress_policy_check_addr(guard, &addr->addr, &call->err) < 0) {
		call->denied = true;
		return CURL_SOCKET_BAD;
	}
	int fd = socket(addr->family, addr->socktype | SOCK_CLOEXEC, addr->protocol);
	if (fd >= 0) {
		call->client->connections++;
		call->client->connects++;
	}
	return fd;
}

/* CURLOPT_CLOSESOCKETFUNCTION: of the one above. */
static int on_close_socket(void *arg, curl_socket_t fd)
{
	struct http_client *c = arg;

	c->connections--;
	return close(fd);
}

size_t http_client_connections(const struct http_client *c)
{
	return c->connections + (c->direct != NULL ? direct_connections(c->direct) : 0);
}

int64_t http_client_connects(const struct http_client *c)
{
	return c->connects + (c->direct != NULL ? direct_connects(c->direct) : 0);
}

static bool has_header(const struct http_call_spec *spec, const char *prefix)
{
	for (size_t i = 0; i < SSF_ARRAY_SIZE(spec->headers) && spec->headers[i] != NULL; i++) {
		if (strncasecmp(spec->headers[i], prefix, strlen(prefix)) == 0)
			return true;
	}
	return false;
}

static int add_header(struct http_call *call, const char *line, struct ssf_err *err)
{
	struct curl_slist *longer = curl_slist_append(call->headers, line);

	if (longer == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "http call: out of memory");
	call->headers = longer;
	return 0;
}

static int add_headers(struct http_call *call, const struct http_call_spec *spec,
		       struct ssf_err *err)
{
	for (size_t i = 0; i < SSF_ARRAY_SIZE(spec->headers) && spec->headers[i] != NULL; i++) {
		if (strpbrk(spec->headers[i], "\r\n") != NULL)
			return ssf_fail(err, SSF_E_MALFORMED, "http call: line break in a header");
		if (add_header(call, spec->headers[i], err) < 0)
			return -1;
	}
	/* Without these curl waits for "100 Continue", and calls any body a form. */
	if (add_header(call, "Expect:", err) < 0)
		return -1;
	if (!has_header(spec, "Content-Type:") && add_header(call, "Content-Type:", err) < 0)
		return -1;
	curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, call->headers);
	return 0;
}

static int set_method(struct http_call *call, const struct http_call_spec *spec,
		      struct ssf_err *err)
{
	const char *m = spec->method;
	bool wants_body = strcmp(m, "POST") == 0 || strcmp(m, "PUT") == 0 ||
			  strcmp(m, "PATCH") == 0;

	if (*m == '\0' || m[strspn(m, "ABCDEFGHIJKLMNOPQRSTUVWXYZ")] != '\0')
		return ssf_fail(err, SSF_E_MALFORMED, "http call: method not valid");
	if (strcmp(m, "GET") == 0)
		return 0;
	if (strcmp(m, "HEAD") == 0) {
		curl_easy_setopt(call->easy, CURLOPT_NOBODY, 1L);
		return 0;
	}
	if ((wants_body || spec->body.ptr != NULL) &&
	    (curl_easy_setopt(call->easy, CURLOPT_POSTFIELDSIZE_LARGE,
			      (curl_off_t)spec->body.len) != CURLE_OK ||
	     curl_easy_setopt(call->easy, CURLOPT_COPYPOSTFIELDS,
			      spec->body.ptr != NULL ? spec->body.ptr : "") != CURLE_OK))
		return ssf_fail(err, SSF_E_NOMEM, "http call: out of memory");
	if (curl_easy_setopt(call->easy, CURLOPT_CUSTOMREQUEST, m) != CURLE_OK)
		return ssf_fail(err, SSF_E_NOMEM, "http call: out of memory");
	return 0;
}

static int set_options(struct http_call *call, const struct http_call_spec *spec)
{
	CURL *e = call->easy;
	const struct http_client *c = call->client;
	bool bad = false;

	bad |= curl_easy_setopt(e, CURLOPT_URL, spec->url) != CURLE_OK;
	bad |= curl_easy_setopt(e, CURLOPT_PRIVATE, call) != CURLE_OK;
	bad |= curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https") != CURLE_OK;
	bad |= curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L) != CURLE_OK;
	bad |= curl_easy_setopt(e, CURLOPT_PROXY, "") != CURLE_OK;
	bad |= curl_easy_setopt(e, CURLOPT_NOPROXY, "*") != CURLE_OK;
	bad |= curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L) != CURLE_OK;
	/* allocated for each call: what is freed in pieces of 64 KiB makes malloc tidy up each time */
	bad |= curl_easy_setopt(e, CURLOPT_BUFFERSIZE, BUFFER_SIZE) != CURLE_OK;
	bad |= curl_easy_setopt(e, CURLOPT_UPLOAD_BUFFERSIZE, BUFFER_SIZE) != CURLE_OK;
	/*
	 * HTTP/2 where it is offered. Not CURLOPT_PIPEWAIT: a host that hangs before its first answer would
	 * hold up all other calls to it.
	 */
	bad |= curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS) != CURLE_OK;
	bad |= curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)spec->timeout_ms) != CURLE_OK;
	bad |= curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 1L) != CURLE_OK;
	bad |= curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 2L) != CURLE_OK;
	bad |= curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) != CURLE_OK;
	bad |= curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, on_open_socket) != CURLE_OK;
	bad |= curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, call) != CURLE_OK;
	bad |= curl_easy_setopt(e, CURLOPT_CLOSESOCKETFUNCTION, on_close_socket) != CURLE_OK;
	bad |= curl_easy_setopt(e, CURLOPT_CLOSESOCKETDATA, call->client) != CURLE_OK;
	bad |= curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body) != CURLE_OK;
	bad |= curl_easy_setopt(e, CURLOPT_WRITEDATA, call) != CURLE_OK;
	if (c->direct != NULL && strcmp(spec->method, "POST") == 0 && !direct_leaves_to_curl(c->direct, spec->url)) {
		bad |= curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header) != CURLE_OK;
		bad |= curl_easy_setopt(e, CURLOPT_HEADERDATA, call) != CURLE_OK;
	}
	/* what is trusted is ours to say: no file, and no store that curl keeps and puts in the place of ours */
	bad |= curl_easy_setopt(e, CURLOPT_CAINFO, NULL) != CURLE_OK;
	bad |= curl_easy_setopt(e, CURLOPT_CAPATH, NULL) != CURLE_OK;
	bad |= curl_easy_setopt(e, CURLOPT_CA_CACHE_TIMEOUT, 0L) != CURLE_OK;
	bad |= curl_easy_setopt(e, CURLOPT_SSL_CTX_FUNCTION, use_trust) != CURLE_OK;
	bad |= curl_easy_setopt(e, CURLOPT_SSL_CTX_DATA, call->client) != CURLE_OK;
	return bad ? -1 : 0;
}

static int start_by_curl(struct http_call *call, const struct http_call_spec *spec, struct ssf_err *err)
{
	struct http_client *c = call->client;

	call->easy = handle_take(c);
	/* Refused by curl: an option it was built without, which must not be ignored. */
	if (call->easy == NULL || set_options(call, spec) < 0)
		return ssf_fail(err, SSF_E_INTERNAL, "http call: curl does not start");
	if (set_method(call, spec, err) < 0 || add_headers(call, spec, err) < 0)
		return -1;
	if (curl_multi_add_handle(c->multi, call->easy) != CURLM_OK)
		return ssf_fail(err, SSF_E_INTERNAL, "http call: curl does not start");
	return 0;
}

/* What the direct way could not do. */
static int again_by_curl(struct http_call *call)
{
	char url[DIRECT_URL_MAX];
	struct http_call_spec spec;

	direct_spec(&call->direct, url, &spec);
	if (spec.timeout_ms <= 0)
		return ssf_fail(&call->err, SSF_E_UNAVAILABLE, "http: timed out");
	if (start_by_curl(call, &spec, &call->err) < 0)
		return -1;
	direct_call_done(&call->direct);
	call->is_direct = false;
	return 0;
}

static void on_direct_end(void *arg, enum direct_end end)
{
	struct http_call *call = arg;

	if (end == DIRECT_AGAIN && again_by_curl(call) == 0)
		return;
	call->result = end == DIRECT_ANSWERED ? CURLE_OK : CURLE_RECV_ERROR; /* err says what */
	finish(call);
}

int http_call_start(struct http_client *c, const struct http_call_spec *spec, http_done_f *done,
		    void *arg, struct http_call **out, struct ssf_err *err)
{
	struct http_call_spec full = *spec;
	ssf_auto(http_call) call = NULL;

	if (c->guard != NULL && egress_policy_check_url(c->guard, ssf_str_c(spec->url), err) < 0)
		return -1;
	call = calloc(1, sizeof(*call));
	if (call == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "http call: out of memory");
	if (full.timeout_ms <= 0)
		full.timeout_ms = TIMEOUT_MS;
	if (full.max_body == 0)
		full.max_body = BODY_MAX;
	call->client = c;
	call->done = done;
	call->arg = arg;
	call->started_us = loop_now_us();
	ssf_buf_init(&call->body, full.max_body);
	call->is_direct = c->direct != NULL &&
			  direct_start(c->direct, &call->direct, &full, on_direct_end, call, &call->err);
	if (!call->is_direct && start_by_curl(call, &full, err) < 0)
		return -1;
	TAILQ_INSERT_TAIL(&c->running, call, entry);
	*out = SSF_STEAL(call);
	return 0;
}

void http_call_cancel(struct http_call *call)
{
	if (call == NULL)
		return;
	detach(call);
	http_call_free(call);
}
