/* SPDX-License-Identifier: Apache-2.0 */
/*
 * At most one fetch runs at a time, of one or two calls: metadata, if needed, then the key set.
 * All that need its result are in the list of waits.
 */
#include "receivers/lib/hub_keys.h"

#include "lib/kit/log.h"
#include "lib/kit/loop.h"
#include "lib/ssf/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define MAX_AGE_MS (60 * 60 * 1000)
#define UNKNOWN_EVERY_MS (10 * 1000)
#define FAILED_EVERY_MS 1000
#define FETCH_MAX_BYTES (256 * 1024)
#define WAITS_MAX 2048
#define URL_MAX 2048
#define WELL_KNOWN "/.well-known/ssf-configuration"

struct hub_keys_wait {
	TAILQ_ENTRY(hub_keys_wait) entry;
	struct hub_keys *k;
	hub_keys_done_f *done;
	void *arg;
};

TAILQ_HEAD(wait_list, hub_keys_wait);

struct hub_keys {
	struct http_client *http;
	struct hub_keys_conf conf;
	struct ssf_jwks *set; /* NULL until the first fetch */
	int64_t fetched_ms;   /* last success */
	int64_t failed_ms;    /* last failure, or 0 */
	int64_t asked_ms;     /* last fetch for an unknown key, or 0 */
	struct http_call *call;
	struct wait_list waits;
	size_t n_waits;
};

/* Takes the list over first: a wait that a callback starts is for the next fetch. */
static void wake_all(struct hub_keys *k, const struct ssf_err *err)
{
	struct wait_list list;
	struct hub_keys_wait *w;

	TAILQ_INIT(&list);
	TAILQ_CONCAT(&list, &k->waits, entry);
	TAILQ_FOREACH(w, &list, entry)
		w->k = NULL;
	k->n_waits = 0;
	while ((w = TAILQ_FIRST(&list)) != NULL) {
		hub_keys_done_f *done = w->done;
		void *arg = w->arg;

		TAILQ_REMOVE(&list, w, entry);
		free(w);
		if (done != NULL)
			done(arg, err);
	}
}

static void fetch_failed(struct hub_keys *k, const struct ssf_err *err)
{
	struct ssf_err why;

	log_warn("receiver.keys.failed", log_why(err));
	k->failed_ms = loop_now_ms();
	/* whatever failed, it is not the SET's fault */
	ssf_fail(&why, SSF_E_UNAVAILABLE, "the hub's keys could not be fetched");
	wake_all(k, &why);
}

/* 200 with one JSON object in it. */
static int read_answer(const struct http_result *result, const struct ssf_err *failed, json_t **out,
		       struct ssf_err *err)
{
	if (failed != NULL) {
		*err = *failed;
		return -1;
	}
	if (result->status != 200)
		return ssf_fail(err, SSF_E_UNAVAILABLE, "status %d", result->status);
	return ssf_json_parse(result->body, &ssf_json_default, out, err);
}

static int read_set(const struct http_result *result, const struct ssf_err *failed,
		    struct ssf_jwks **out, struct ssf_err *err)
{
	json_auto_t *doc = NULL;
	ssf_auto(ssf_jwks) set = NULL;

	if (read_answer(result, failed, &doc, err) < 0 || ssf_jwks_parse(doc, &set, err) < 0)
		return ssf_fail_prefix(err, "key set");
	if (ssf_jwks_count(set) == 0)
		return ssf_fail(err, SSF_E_KEY, "key set: no usable key");
	*out = SSF_STEAL(set);
	return 0;
}

static void on_set(void *arg, const struct http_result *result, const struct ssf_err *failed)
{
	struct hub_keys *k = arg;
	struct ssf_jwks *set = NULL;
	struct ssf_err err;

	k->call = NULL;
	if (read_set(result, failed, &set, &err) < 0) {
		fetch_failed(k, &err);
		return;
	}
	ssf_jwks_free(k->set);
	k->set = set;
	k->fetched_ms = loop_now_ms();
	k->failed_ms = 0;
	log_info("receiver.keys.fetched", log_int("keys", (int64_t)ssf_jwks_count(set)));
	wake_all(k, NULL);
}

static int start_get(struct hub_keys *k, const char *url, http_done_f *done, struct ssf_err *err)
{
	const struct http_call_spec spec = {
		.method = "GET",
		.url = url,
		.headers = { "Accept: application/json" },
		.max_body = FETCH_MAX_BYTES,
	};

	return http_call_start(k->http, &spec, done, k, &k->call, err);
}

static int read_metadata(struct hub_keys *k, const struct http_result *result,
			 const struct ssf_err *failed, struct ssf_err *err)
{
	json_auto_t *doc = NULL;
	const char *issuer;
	const char *url;

	if (read_answer(result, failed, &doc, err) < 0 ||
	    ssf_json_get_str(doc, "issuer", &issuer, err) < 0 ||
	    ssf_json_get_str(doc, "jwks_uri", &url, err) < 0)
		return ssf_fail_prefix(err, "metadata");
	if (strcmp(issuer, k->conf.issuer) != 0)
		return ssf_fail(err, SSF_E_ISSUER, "metadata: issuer is not the configured one");
	if (strncmp(url, "https://", 8) != 0)
		return ssf_fail(err, SSF_E_MALFORMED, "metadata: jwks_uri is not https");
	return start_get(k, url, on_set, err);
}

static void on_metadata(void *arg, const struct http_result *result, const struct ssf_err *failed)
{
	struct hub_keys *k = arg;
	struct ssf_err err;

	k->call = NULL;
	if (read_metadata(k, result, failed, &err) < 0)
		fetch_failed(k, &err);
}

/* The well-known part goes between the host and the issuer's path (SSF 1.0 section 7.2). */
static int metadata_url(const char *issuer, char *out, size_t out_len, struct ssf_err *err)
{
	const char *host = issuer + strlen("https://");
	size_t to_path = (size_t)(host - issuer) + strcspn(host, "/");
	size_t end = strlen(issuer);
	int n;

	if (end > to_path && issuer[end - 1] == '/')
		end--;
	n = snprintf(out, out_len, "%.*s" WELL_KNOWN "%.*s", (int)to_path, issuer,
		     (int)(end - to_path), issuer + to_path);
	if (n < 0 || (size_t)n >= out_len)
		return ssf_fail(err, SSF_E_LIMIT, "issuer: too long");
	return 0;
}

static int start_fetch(struct hub_keys *k, struct ssf_err *err)
{
	char url[URL_MAX];

	if (k->conf.jwks_url != NULL)
		return start_get(k, k->conf.jwks_url, on_set, err);
	if (metadata_url(k->conf.issuer, url, sizeof(url), err) < 0)
		return -1;
	return start_get(k, url, on_metadata, err);
}

int hub_keys_new(struct http_client *http, const struct hub_keys_conf *conf, struct hub_keys **out,
	     struct ssf_err *err)
{
	struct hub_keys *k = calloc(1, sizeof(*k));

	if (k == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "keys: out of memory");
	k->http = http;
	k->conf = *conf;
	TAILQ_INIT(&k->waits);
	if (start_fetch(k, err) < 0) {
		free(k);
		return -1;
	}
	*out = k;
	return 0;
}

void hub_keys_free(struct hub_keys *k)
{
	if (k == NULL)
		return;
	http_call_cancel(k->call);
	ssf_jwks_free(k->set);
	free(k);
}

static bool too_early(const struct hub_keys *k, int64_t now)
{
	if (k->failed_ms != 0)
		return now - k->failed_ms < FAILED_EVERY_MS;
	return k->asked_ms != 0 && now - k->asked_ms < UNKNOWN_EVERY_MS;
}

struct ssf_key *hub_keys_find(struct hub_keys *k, struct ssf_str kid, enum ssf_alg alg)
{
	int64_t now = loop_now_ms();
	struct ssf_err err;

	if (k->set == NULL)
		return NULL;
	if (k->call == NULL && now - k->fetched_ms > MAX_AGE_MS && !too_early(k, now) &&
	    start_fetch(k, &err) < 0)
		fetch_failed(k, &err);
	return ssf_jwks_find(k->set, kid, alg);
}

int hub_keys_wait_start(struct hub_keys *k, hub_keys_done_f *done, void *arg,
			struct hub_keys_wait **out, struct ssf_err *err)
{
	int64_t now = loop_now_ms();
	struct hub_keys_wait *w;

	if (k->n_waits >= WAITS_MAX)
		return ssf_fail(err, SSF_E_BUSY, "too many SETs wait for the hub's keys");
	if (k->call == NULL && too_early(k, now))
		return ssf_fail(err, SSF_E_BUSY, "too early to fetch the hub's keys again");
	w = calloc(1, sizeof(*w));
	if (w == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "keys: out of memory");
	if (k->call == NULL) {
		if (start_fetch(k, err) < 0) {
			free(w);
			return -1;
		}
		k->asked_ms = now;
	}
	w->k = k;
	w->done = done;
	w->arg = arg;
	TAILQ_INSERT_TAIL(&k->waits, w, entry);
	k->n_waits++;
	*out = w;
	return 0;
}

/* A wait that wake_all() has taken over is only silenced: wake_all() frees it. */
void hub_keys_wait_cancel(struct hub_keys_wait *w)
{
	if (w == NULL)
		return;
	if (w->k == NULL) {
		w->done = NULL;
		return;
	}
	TAILQ_REMOVE(&w->k->waits, w, entry);
	w->k->n_waits--;
	free(w);
}
