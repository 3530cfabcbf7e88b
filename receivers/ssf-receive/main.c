/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssf-receive --config FILE: wires the receiver together and runs it until SIGTERM or SIGINT.
 * Then it takes no new SETs and lets those that it has finish.
 */
#include "lib/http/http_client.h"
#include "lib/kit/log.h"
#include "lib/kit/loop.h"
#include "receivers/lib/dedupe.h"
#include "receivers/lib/hub_keys.h"
#include "receivers/lib/poll_client.h"
#include "receivers/lib/push_endpoint.h"
#include "receivers/lib/set_inbox.h"
#include "receivers/sinks/redis/redis_sink.h"
#include "receivers/ssf-receive/config.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define EXIT_CONFIG 2
#define SEEN_MAX 100000
#define SEEN_WINDOW_MS (INT64_C(24) * 60 * 60 * 1000)
#define REDIS_TIMEOUT_MS 5000
#define REDIS_OPS_MAX 2048
#define DRAIN_MAX_MS 10000
#define DRAIN_TICK_MS 20

struct program {
	struct config *config;
	struct loop *loop;
	struct ca_store *trust;
	struct http_client *http;
	struct hub_keys *keys;
	struct redis *redis;
	struct dedupe *dedupe;
	struct redis_sink sink;
	struct set_inbox inbox;
	struct push_endpoint *push; /* one of the two */
	struct poll_client *poll;
	struct loop_signal *signals[2];
	struct loop_tick *drain;
	int64_t drain_until_ms;
};

static const char usage[] =
	"usage: ssf-receive --config FILE [--log-level debug|info|warn|error]\n"
	"Receives security events from an SSF hub and purges Redis; see\n"
	"docs/reference/ssf-receive.md.\n";

static bool is_drained(const struct program *p)
{
	return p->push != NULL ? push_endpoint_pending(p->push) == 0 : poll_client_is_idle(p->poll);
}

static void on_drain_tick(void *arg)
{
	struct program *p = arg;

	if (!is_drained(p) && loop_now_ms() < p->drain_until_ms)
		return;
	loop_stop(p->loop);
}

static void on_signal(void *arg)
{
	struct program *p = arg;

	if (p->drain != NULL)
		return;
	log_info("receiver.draining");
	p->drain_until_ms = loop_now_ms() + DRAIN_MAX_MS;
	p->drain = loop_tick_start(p->loop, DRAIN_TICK_MS, on_drain_tick, p);
	if (p->drain == NULL)
		loop_stop(p->loop);
	if (p->push != NULL)
		push_endpoint_drain(p->push);
	else
		poll_client_drain(p->poll);
}

static int start_redis(struct program *p, struct ssf_err *err)
{
	const struct config_redis *c = &p->config->redis;
	const struct redis_conf conf = {
		.path = c->path,
		.host = c->host,
		.port = c->port,
		.username = c->username,
		.password = p->config->redis_password,
		.max_ops = REDIS_OPS_MAX,
		.timeout_ms = REDIS_TIMEOUT_MS,
	};

	return redis_new(p->loop, &conf, &p->redis, err);
}

static int start_keys(struct program *p, struct ssf_err *err)
{
	const struct hub_keys_conf conf = {
		.issuer = p->config->issuer,
		.jwks_url = p->config->jwks_url,
	};

	return hub_keys_new(p->http, &conf, &p->keys, err);
}

static int start_intake(struct program *p, struct ssf_err *err)
{
	const struct config *c = p->config;

	p->sink = (struct redis_sink){ p->redis, &c->rules };
	p->inbox = (struct set_inbox){
		.loop = p->loop,
		.policy = { .keys = p->keys, .issuer = c->issuer, .audience = c->audience },
		.dedupe = p->dedupe,
		.sink = redis_sink(&p->sink),
	};
	return c->has_push ? push_endpoint_new(&p->inbox, &c->push, &p->push, err) :
			     poll_client_new(&p->inbox, p->http, &c->poll, &p->poll, err);
}

static int start_signals(struct program *p, struct ssf_err *err)
{
	p->signals[0] = loop_signal_start(p->loop, SIGTERM, on_signal, p);
	p->signals[1] = loop_signal_start(p->loop, SIGINT, on_signal, p);
	if (p->signals[0] == NULL || p->signals[1] == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "signals: out of memory");
	return 0;
}

static int start(struct program *p, struct ssf_err *err)
{
	if (loop_new(&p->loop, err) < 0 || start_signals(p, err) < 0 ||
	    ca_store_new(p->config->ca_file, &p->trust, err) < 0 ||
	    http_client_new(p->loop, NULL, p->trust, &p->http, err) < 0 ||
	    start_keys(p, err) < 0 || start_redis(p, err) < 0 ||
	    dedupe_new(SEEN_MAX, SEEN_WINDOW_MS, &p->dedupe, err) < 0)
		return -1;
	ca_store_load(p->trust);
	return start_intake(p, err);
}

/* The reverse of start(); parts that are NULL were not started. */
static void stop(struct program *p)
{
	push_endpoint_free(p->push);
	poll_client_free(p->poll);
	redis_free(p->redis);
	hub_keys_free(p->keys);
	http_client_free(p->http);
	ca_store_free(p->trust);
	dedupe_free(p->dedupe);
	loop_tick_cancel(p->drain);
	loop_signal_cancel(p->signals[0]);
	loop_signal_cancel(p->signals[1]);
	loop_free(p->loop);
	config_free(p->config);
}

static void print_started(const struct program *p)
{
	if (p->push != NULL)
		printf("ssf-receive: listening on %s\n", push_endpoint_url(p->push));
	else
		printf("ssf-receive: polling %s\n", p->config->poll.url);
	fflush(stdout);
}

/* NULL: wrong arguments, or help was asked for and *status is 0. */
static const char *config_path(int argc, char **argv, int *status)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "log-level", required_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	const char *path = NULL;
	enum log_level level;
	int c;

	*status = EXIT_CONFIG;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'c') {
			path = optarg;
		} else if (c == 'l' && log_level_parse(optarg, &level) == 0) {
			log_set_level(level);
		} else {
			*status = c == 'h' ? EXIT_SUCCESS : EXIT_CONFIG;
			return NULL;
		}
	}
	return optind == argc ? path : NULL;
}

int main(int argc, char **argv)
{
	struct program p = { 0 };
	struct ssf_err err;
	int status;
	const char *path = config_path(argc, argv, &status);

	if (path == NULL) {
		fputs(usage, status == EXIT_SUCCESS ? stdout : stderr);
		return status;
	}
	if (config_load(path, &p.config, &err) < 0 || start(&p, &err) < 0) {
		fprintf(stderr, "ssf-receive: %s\n", err.msg);
		stop(&p);
		return EXIT_CONFIG;
	}
	print_started(&p);
	loop_run(p.loop);
	stop(&p);
	return EXIT_SUCCESS;
}
