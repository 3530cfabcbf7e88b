/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A put is a machine: resolve push addresses (a pool that does nothing else) -> store -> done. Only
 * strings that it owns cross into the pool.
 */
#include "hub/api/put.h"

#include <stdlib.h>
#include <string.h>

struct put {
	LIST_ENTRY(put) link;        /* in api->resolving, as long as there is a job */
	struct api *api;
	char *actor;
	bool precondition;           /* of the request: what a conflict means */
	json_t *batch;               /* {"kind","id","spec","actor","expected","most"} */
	char *urls[PUT_URLS_MAX];
	size_t url_count;
	const struct egress_policy *guard;
	struct ssf_err err;
	int resolved;
	struct pool_job *job;
	struct registry_put *put;
	put_done_f *done;
	void *arg;
};

struct put *put_new(struct api *api, const char *actor)
{
	struct put *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->api = api;
	p->guard = api->guard;
	p->actor = strdup(actor);
	p->batch = json_array();
	if (p->actor == NULL || p->batch == NULL) {
		put_free(p);
		return NULL;
	}
	return p;
}

void put_free(struct put *p)
{
	if (p == NULL)
		return;
	for (size_t i = 0; i < p->url_count; i++)
		free(p->urls[i]);
	json_decref(p->batch);
	free(p->actor);
	free(p);
}

int put_add(struct put *p, enum kind kind, const char *id, json_t *spec, struct put_limits limit,
	    struct ssf_err *err)
{
	const json_t *now = registry_get(p->api->registry, kind, id);
	const json_t *delivery = json_object_get(spec, "delivery");
	const char *url = json_string_value(json_object_get(delivery, "endpoint_url"));
	json_t *item = json_pack("{s:s, s:s, s:o?, s:s}", "kind", kind_name(kind), "id", id, "spec",
				 spec, "actor", p->actor);

	if (item == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "resource");
	if (limit.check != PUT_ANY_VERSION)
		json_object_set_new(item, "expected", json_integer(limit.version));
	p->precondition = p->precondition || limit.check == PUT_IF_MATCH;
	if (limit.most > 0)
		json_object_set_new(item, "most", json_integer(limit.most));
	if (json_array_append_new(p->batch, item) < 0)
		return ssf_fail(err, SSF_E_NOMEM, "resource");
	/* an address that stays is checked at every connect; pausing must not depend on its name */
	if (kind != KIND_STREAM || url == NULL ||
	    json_equal(json_object_get(json_object_get(now, "delivery"), "endpoint_url"),
		       json_object_get(delivery, "endpoint_url")))
		return 0;
	if (p->url_count == PUT_URLS_MAX)
		return ssf_fail(err, SSF_E_LIMIT, "more than %d push streams at once", PUT_URLS_MAX);
	p->urls[p->url_count] = strdup(url);
	if (p->urls[p->url_count] == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "resource");
	p->url_count++;
	return 0;
}

static void finish(struct put *p, const json_t *versions, const struct ssf_err *err)
{
	p->done(p->arg, versions, err);
	put_free(p);
}

static void on_stored(void *arg, const json_t *versions, const struct ssf_err *err)
{
	struct put *p = arg;
	struct ssf_err failed;

	if (err == NULL) {
		event_log_wake(p->api->log); /* a change of a stream's status is an event, too */
	} else if (err->code == SSF_E_CONFLICT && p->precondition) {
		failed = *err;
		failed.code = SSF_E_PRECONDITION;
		err = &failed;
	}
	finish(p, versions, err);
}

static int store(struct put *p, struct ssf_err *err)
{
	return registry_put_start(p->api->registry, p->batch, on_stored, p, &p->put, err);
}

static void resolve_in_pool(void *arg)
{
	struct put *p = arg;

	p->resolved = 0;
	for (size_t i = 0; p->resolved == 0 && i < p->url_count; i++) {
		p->resolved = egress_policy_resolve_url(p->guard, ssf_str_c(p->urls[i]), &p->err);
		/* a name that does not resolve yet is checked again at every connect */
		if (p->resolved < 0 && p->err.code == SSF_E_UNAVAILABLE)
			p->resolved = 0;
	}
}

static void resolve_ended(struct put *p)
{
	p->job = NULL;
	LIST_REMOVE(p, link);
}

static void on_resolved(void *arg)
{
	struct put *p = arg;

	resolve_ended(p);
	if (p->resolved < 0) {
		ssf_fail_prefix(&p->err, "delivery: endpoint_url");
		finish(p, NULL, &p->err);
	} else if (store(p, &p->err) < 0) {
		finish(p, NULL, &p->err);
	}
}

static void resolve_dropped(void *arg)
{
	struct put *p = arg;
	struct ssf_err err;

	resolve_ended(p);
	ssf_fail(&err, SSF_E_UNAVAILABLE, "shutting down");
	finish(p, NULL, &err);
}

/* How long a name takes is up to whose it is: a client holds up one thread, and no other client. */
static bool resolves_one(const struct put *p)
{
	const struct put *other;

	if (strncmp(p->actor, "client:", 7) != 0)
		return false;
	LIST_FOREACH(other, &p->api->resolving, link) {
		if (strcmp(other->actor, p->actor) == 0)
			return true;
	}
	return false;
}

static int resolve(struct put *p, struct ssf_err *err)
{
	struct pool_work work = { resolve_in_pool, on_resolved, resolve_dropped, p, false };

	if (resolves_one(p))
		return ssf_fail(err, SSF_E_BUSY, "another address of this client is being resolved");
	if (pool_submit(p->api->resolver, &work, &p->job, err) < 0)
		return -1;
	LIST_INSERT_HEAD(&p->api->resolving, p, link);
	return 0;
}

int put_start(struct put *p, put_done_f *done, void *arg, struct ssf_err *err)
{
	int r;

	p->done = done;
	p->arg = arg;
	r = p->url_count == 0 ? store(p, err) : resolve(p, err);
	if (r < 0)
		put_free(p);
	return r;
}
