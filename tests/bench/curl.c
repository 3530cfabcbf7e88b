/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench-curl: what a push costs when there is nothing but libcurl: POSTs of a text of a SET's size over
 * kept-alive connections to the addresses of a bench-sink. Handles are set up once and used again.
 *
 *   bench-curl --port N [--addresses N] [--window N] [--count N]
 *
 * --window: under way to each address. Prints the processor time a request, in microseconds.
 */
#include "tests/bench/share.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#define EVENTS 64
#define BODY_LEN 900

struct load {
	int epoll;
	CURLM *multi;
	struct curl_slist *headers;
	long wait_ms; /* until curl wants to be called; -1: for ever */
	long begun, done, warm, end;
	double warm_s;
};

static double cpu_s(void)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
	       (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

static size_t on_body(char *bytes, size_t size, size_t n, void *arg)
{
	(void)bytes;
	(void)arg;
	return size * n;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *sock_arg)
{
	const struct load *l = arg;
	struct epoll_event ev = { .data.fd = fd };

	(void)easy;
	(void)sock_arg;
	if (what == CURL_POLL_REMOVE)
		return epoll_ctl(l->epoll, EPOLL_CTL_DEL, fd, &ev);
	ev.events = ((what & CURL_POLL_IN) != 0 ? EPOLLIN : 0) | ((what & CURL_POLL_OUT) != 0 ? EPOLLOUT : 0);
	if (epoll_ctl(l->epoll, EPOLL_CTL_MOD, fd, &ev) < 0 && errno == ENOENT)
		return epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &ev);
	return 0;
}

static int on_timer(CURLM *multi, long ms, void *arg)
{
	struct load *l = arg;

	(void)multi;
	l->wait_ms = ms;
	return 0;
}

static void begin(struct load *l, CURL *easy)
{
	if (l->begun == l->end)
		return;
	l->begun++;
	if (curl_multi_add_handle(l->multi, easy) != CURLM_OK)
		share_die("bench-curl: out of memory");
}

static void make_handle(struct load *l, const char *url)
{
	static char body[BODY_LEN + 1];
	CURL *e = curl_easy_init();

	memset(body, 'x', BODY_LEN);
	if (e == NULL || curl_easy_setopt(e, CURLOPT_URL, url) != CURLE_OK)
		share_die("bench-curl: out of memory");
	curl_easy_setopt(e, CURLOPT_POSTFIELDS, body);
	curl_easy_setopt(e, CURLOPT_HTTPHEADER, l->headers);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(e, CURLOPT_PROXY, "");
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, 10000L);
	begin(l, e);
}

/* A handle whose request is done has the next one. */
static void collect(struct load *l)
{
	const CURLMsg *msg;
	int left;

	while ((msg = curl_multi_info_read(l->multi, &left)) != NULL) {
		CURL *easy = msg->easy_handle;
		if (msg->data.result != CURLE_OK)
			share_die("bench-curl: %s", curl_easy_strerror(msg->data.result));
		curl_multi_remove_handle(l->multi, easy);
		if (++l->done == l->warm)
			l->warm_s = cpu_s();
		begin(l, easy);
	}
}

static void run(struct load *l)
{
	struct epoll_event events[EVENTS];
	int running;

	while (l->done < l->end) {
		int n = epoll_wait(l->epoll, events, EVENTS, (int)l->wait_ms);
		if (n == 0 || l->wait_ms == 0) {
			l->wait_ms = -1;
			curl_multi_socket_action(l->multi, CURL_SOCKET_TIMEOUT, 0, &running);
		}
		for (int i = 0; i < n; i++) {
			int what = ((events[i].events & EPOLLOUT) != 0 ? CURL_CSELECT_OUT : 0) |
				   ((events[i].events & ~(uint32_t)EPOLLOUT) != 0 ? CURL_CSELECT_IN : 0);
			curl_multi_socket_action(l->multi, events[i].data.fd, what, &running);
		}
		collect(l);
	}
}

int main(int argc, char **argv)
{
	long port = share_number(argv, "port", 0), addresses = share_number(argv, "addresses", 10);
	long window = share_number(argv, "window", 16), count = share_number(argv, "count", 20000);
	struct load l = { .epoll = epoll_create1(EPOLL_CLOEXEC), .wait_ms = -1 };
	char url[64];

	(void)argc;
	if (port < 1 || addresses < 1 || addresses > 250 || window < 1 || count < 1)
		share_die("usage: bench-curl --port N [--addresses N] [--window N] [--count N]");
	l.warm = 2 * addresses * window;
	l.end = l.warm + count;
	l.multi = curl_multi_init();
	curl_multi_setopt(l.multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(l.multi, CURLMOPT_SOCKETDATA, &l);
	curl_multi_setopt(l.multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(l.multi, CURLMOPT_TIMERDATA, &l);
	curl_multi_setopt(l.multi, CURLMOPT_MAXCONNECTS, addresses * window);
	l.headers = curl_slist_append(l.headers, "Content-Type: application/secevent+jwt");
	l.headers = curl_slist_append(l.headers, "Accept: application/json");
	l.headers = curl_slist_append(l.headers, "Expect:");
	for (long i = 0; i < addresses * window; i++) {
		snprintf(url, sizeof(url), "http://127.1.0.%ld:%ld/%ld", i % addresses + 1, port, i % addresses);
		make_handle(&l, url);
	}
	run(&l);
	printf("%.2f\n", (cpu_s() - l.warm_s) / (double)count * 1e6);
	return 0;
}
