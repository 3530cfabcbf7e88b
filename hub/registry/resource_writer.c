/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A transaction is a machine: resolve push addresses (in the pool) -> store (registry) -> done. Only
 * strings that the transaction owns cross into the pool.
 */
#include "hub/registry/resource_writer.h"

#include "hub/registry/resource_check.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

struct resource_writer {
	struct resource_writer_deps deps;
	LIST_HEAD(, resource_txn) resolving;
};

struct resource_txn {
	LIST_ENTRY(resource_txn) link; /* in writer->resolving while it has a job */
	struct resource_writer *writer;
	char *actor;
	bool precondition;             /* a conflict is a failed precondition of the request */
	json_t *batch;                 /* {"kind","id","spec","actor","expected","most"} */
	char *urls[RESOURCE_TXN_URLS_MAX];
	size_t url_count;
	const struct egress_policy *policy;
	struct ssf_err err;
	int resolved;
	struct pool_job *job;
	resource_done_f *done;
	void *arg;
};

int resource_writer_new(const struct resource_writer_deps *deps, struct resource_writer **out,
			struct ssf_err *err)
{
	struct resource_writer *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "resources");
	w->deps = *deps;
	LIST_INIT(&w->resolving);
	*out = w;
	return 0;
}

void resource_writer_free(struct resource_writer *w)
{
	free(w);
}

struct resource_txn *resource_writer_begin(struct resource_writer *w, const char *actor)
{
	struct resource_txn *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->writer = w;
	t->policy = w->deps.policy;
	t->actor = strdup(actor);
	t->batch = json_array();
	if (t->actor == NULL || t->batch == NULL) {
		resource_writer_discard(t);
		return NULL;
	}
	return t;
}

void resource_writer_discard(struct resource_txn *t)
{
	if (t == NULL)
		return;
	for (size_t i = 0; i < t->url_count; i++)
		free(t->urls[i]);
	json_decref(t->batch);
	free(t->actor);
	free(t);
}

static int add_url(void *arg, const char *url, struct ssf_err *err)
{
	struct resource_txn *t = arg;

	if (t->url_count == RESOURCE_TXN_URLS_MAX)
		return ssf_fail(err, SSF_E_LIMIT, "more than %d push streams at once",
				RESOURCE_TXN_URLS_MAX);
	t->urls[t->url_count] = strdup(url);
	if (t->urls[t->url_count] == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "resource");
	t->url_count++;
	return 0;
}

int resource_writer_add(struct resource_txn *t, enum kind kind, const char *id, json_t *spec,
			struct resource_condition condition, struct ssf_err *err)
{
	json_t *item = json_pack("{s:s, s:s, s:o?, s:s}", "kind", kind_name(kind), "id", id, "spec",
				 spec, "actor", t->actor);

	if (item == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "resource");
	t->precondition = t->precondition || condition.check == RESOURCE_IF_MATCH;
	if ((condition.check != RESOURCE_ANY_VERSION &&
	     json_object_set_new(item, "expected", json_integer(condition.version)) < 0) ||
	    (condition.max_per_client > 0 &&
	     json_object_set_new(item, "most", json_integer(condition.max_per_client)) < 0)) {
		json_decref(item);
		return ssf_fail(err, SSF_E_NOMEM, "resource");
	}
	if (json_array_append_new(t->batch, item) < 0)
		return ssf_fail(err, SSF_E_NOMEM, "resource");
	/* an unchanged address is checked at every connect; pausing a stream must not depend on its name */
	return resource_new_urls(kind, spec, registry_get(t->writer->deps.registry, kind, id), add_url, t, err);
}

static void finish(struct resource_txn *t, const json_t *versions, const struct ssf_err *err)
{
	t->done(t->arg, versions, err);
	resource_writer_discard(t);
}

static void on_stored(void *arg, const json_t *versions, const struct ssf_err *err)
{
	struct resource_txn *t = arg;
	struct ssf_err failed;

	if (err == NULL) {
		/* a change of a stream's status appends an event in the same transaction */
		event_log_wake(t->writer->deps.log);
	} else if (err->code == SSF_E_CONFLICT && t->precondition) {
		failed = *err;
		failed.code = SSF_E_PRECONDITION;
		err = &failed;
	}
	finish(t, versions, err);
}

static int store(struct resource_txn *t, struct ssf_err *err)
{
	return registry_write_start(t->writer->deps.registry, t->batch, on_stored, t, err);
}

static void resolve_in_pool(void *arg)
{
	struct resource_txn *t = arg;

	t->resolved = 0;
	for (size_t i = 0; t->resolved == 0 && i < t->url_count; i++) {
		t->resolved = egress_policy_resolve_url(t->policy, ssf_str_c(t->urls[i]), &t->err);
		/* a name that does not resolve yet is checked again at every connect */
		if (t->resolved < 0 && t->err.code == SSF_E_UNAVAILABLE)
			t->resolved = 0;
	}
}

static void on_resolved(void *arg)
{
	struct resource_txn *t = arg;

	t->job = NULL;
	LIST_REMOVE(t, link);
	if (t->resolved < 0) {
		ssf_fail_prefix(&t->err, "delivery: endpoint_url");
		finish(t, NULL, &t->err);
	} else if (store(t, &t->err) < 0) {
		finish(t, NULL, &t->err);
	}
}

static void on_resolve_dropped(void *arg)
{
	struct resource_txn *t = arg;
	struct ssf_err err;

	t->job = NULL;
	LIST_REMOVE(t, link);
	ssf_fail(&err, SSF_E_UNAVAILABLE, "shutting down");
	finish(t, NULL, &err);
}

/*
 * How long a name takes to resolve is up to its owner. A client may occupy one thread at a time, so that it
 * cannot block the others.
 */
static bool client_resolves(const struct resource_txn *t)
{
	const struct resource_txn *other;

	if (strncmp(t->actor, "client:", 7) != 0)
		return false;
	LIST_FOREACH(other, &t->writer->resolving, link) {
		if (strcmp(other->actor, t->actor) == 0)
			return true;
	}
	return false;
}

static int resolve(struct resource_txn *t, struct ssf_err *err)
{
	struct pool_work work = { resolve_in_pool, on_resolved, on_resolve_dropped, t, false };

	if (client_resolves(t))
		return ssf_fail(err, SSF_E_BUSY, "another address of this client is being resolved");
	if (pool_submit(t->writer->deps.resolver, &work, &t->job, err) < 0)
		return -1;
	LIST_INSERT_HEAD(&t->writer->resolving, t, link);
	return 0;
}

int resource_writer_commit(struct resource_txn *t, resource_done_f *done, void *arg,
			   struct ssf_err *err)
{
	int r;

	t->done = done;
	t->arg = arg;
	r = t->url_count == 0 ? store(t, err) : resolve(t, err);
	if (r < 0)
		resource_writer_discard(t);
	return r;
}
