/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the snapshot of resources. A change is in here only after its commit, so that nothing
 * acts on a setting that a restart would forget.
 */
#include "hub/registry/registry.h"

#include "lib/kit/log.h"
#include "lib/ssf/attr.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define LISTENERS_MAX 8
#define RETRY_MS 100

static const char *const kind_names[KIND_COUNT] = {
	[KIND_PERSON] = "person",
	[KIND_AGENT] = "agent",
	[KIND_CREDENTIAL] = "credential",
	[KIND_SOURCE] = "source",
	[KIND_TRANSMITTER] = "transmitter",
	[KIND_ISSUER] = "issuer",
	[KIND_CLIENT] = "client",
	[KIND_STREAM] = "stream",
	[KIND_RULES] = "rules",
};

struct registry_put {
	LIST_ENTRY(registry_put) link;
	struct registry *registry;
	json_t *batch;
	registry_put_f *f; /* NULL: cancelled */
	void *arg;
	struct db_op *op;
};

struct registry {
	struct loop *loop;
	struct db *db;
	bool ready;
	loop_f *ready_f;
	void *ready_arg;
	struct loop_timer *retry;
	struct db_op *loading;
	bool stale;                /* something was stored while loading: what comes is older */
	json_t *kinds[KIND_COUNT]; /* id to spec */
	json_t *versions[KIND_COUNT]; /* id to version */
	json_t *by_fingerprint;    /* of credentials: fingerprint to id */
	json_t *by_repository;     /* of agents */
	json_t *by_token;          /* of clients */
	json_t *by_issuer;         /* of transmitters */
	json_t *by_token_issuer;   /* of issuers of access tokens */
	json_t *by_subject;        /* of clients: issuer's id and subject to id */
	struct {
		registry_f *f;
		void *arg;
	} listeners[LISTENERS_MAX];
	size_t listener_count;
	LIST_HEAD(, registry_put) puts;
};

const char *kind_name(enum kind kind)
{
	return kind_names[kind];
}

int kind_from_name(const char *name, enum kind *out)
{
	for (int k = 0; k < KIND_COUNT; k++) {
		if (strcmp(kind_names[k], name) == 0) {
			*out = (enum kind)k;
			return 0;
		}
	}
	return -1;
}

/* --- the snapshot ----------------------------------------------------------------------- */

/* Enters or removes id in an index, unless the key is somebody else's by now. */
static void index_set(json_t *index, const char *k, const char *id, bool add)
{
	if (k == NULL)
		return;
	if (add) {
		json_object_set_new(index, k, json_string(id));
	} else {
		const char *owner = json_string_value(json_object_get(index, k));
		if (owner != NULL && strcmp(owner, id) == 0)
			json_object_del(index, k);
	}
}

static const char *text_of(const json_t *spec, const char *member)
{
	return json_string_value(json_object_get(spec, member));
}

/* "issuer's id/subject": ids have no slash. NULL when there is none, or no memory. */
static char *subject_key(const char *issuer_id, const char *subject)
{
	char *key = NULL;

	if (issuer_id == NULL || subject == NULL || asprintf(&key, "%s/%s", issuer_id, subject) < 0)
		return NULL;
	return key;
}

static void index_client(struct registry *r, const char *id, const json_t *spec, bool add)
{
	ssf_auto_free char *subject = subject_key(text_of(spec, "issuer"), text_of(spec, "subject"));

	index_set(r->by_token, text_of(spec, "token_sha256"), id, add);
	index_set(r->by_subject, subject, id, add);
}

static void index_resource(struct registry *r, enum kind kind, const char *id, const json_t *spec,
			   bool add)
{
	const json_t *repository;
	size_t i;

	switch (kind) {
	case KIND_CREDENTIAL:
		index_set(r->by_fingerprint, text_of(spec, "fingerprint"), id, add);
		break;
	case KIND_AGENT:
		json_array_foreach(json_object_get(spec, "repositories"), i, repository)
			index_set(r->by_repository, json_string_value(repository), id, add);
		break;
	case KIND_CLIENT:
		index_client(r, id, spec, add);
		break;
	case KIND_TRANSMITTER:
		index_set(r->by_issuer, text_of(spec, "issuer"), id, add);
		break;
	case KIND_ISSUER:
		index_set(r->by_token_issuer, text_of(spec, "issuer"), id, add);
		break;
	default:
		break;
	}
}

static void snapshot_set(struct registry *r, enum kind kind, const char *id, json_t *spec,
			 int64_t version)
{
	const json_t *old = registry_get(r, kind, id);

	if (old != NULL)
		index_resource(r, kind, id, old, false);
	if (json_is_object(spec)) {
		json_object_set(r->kinds[kind], id, spec);
		json_object_set_new(r->versions[kind], id, json_integer(version));
		index_resource(r, kind, id, spec, true);
	} else {
		json_object_del(r->kinds[kind], id);
		json_object_del(r->versions[kind], id);
		spec = NULL;
	}
	for (size_t i = 0; i < r->listener_count; i++)
		r->listeners[i].f(r->listeners[i].arg, kind, id, spec);
}

const json_t *registry_get(const struct registry *r, enum kind kind, const char *id)
{
	return json_object_get(r->kinds[kind], id);
}

const json_t *registry_all(const struct registry *r, enum kind kind)
{
	return r->kinds[kind];
}

int64_t registry_version(const struct registry *r, enum kind kind, const char *id)
{
	return json_integer_value(json_object_get(r->versions[kind], id));
}

static const char *look_up(const json_t *index, const char *key)
{
	return json_string_value(json_object_get(index, key));
}

const char *registry_credential_of(const struct registry *r, const char *fingerprint_hex)
{
	return look_up(r->by_fingerprint, fingerprint_hex);
}

const char *registry_agent_of_repository(const struct registry *r, const char *repository)
{
	return look_up(r->by_repository, repository);
}

const char *registry_client_of_token(const struct registry *r, const char *token_sha256_hex)
{
	return look_up(r->by_token, token_sha256_hex);
}

const char *registry_transmitter_of(const struct registry *r, const char *issuer)
{
	return look_up(r->by_issuer, issuer);
}

const char *registry_issuer_of(const struct registry *r, const char *issuer)
{
	return look_up(r->by_token_issuer, issuer);
}

const char *registry_client_of_subject(const struct registry *r, const char *issuer_id,
				       const char *subject)
{
	ssf_auto_free char *key = subject_key(issuer_id, subject);

	return key != NULL ? look_up(r->by_subject, key) : NULL;
}

void registry_listen(struct registry *r, registry_f *f, void *arg)
{
	assert(r->listener_count < LISTENERS_MAX);
	r->listeners[r->listener_count].f = f;
	r->listeners[r->listener_count].arg = arg;
	r->listener_count++;
}

bool registry_is_ready(const struct registry *r)
{
	return r->ready;
}

/* --- loading ---------------------------------------------------------------------------- */

static void load(void *arg);

static void load_after(struct registry *r, int64_t ms)
{
	if (r->loading != NULL)
		r->stale = true;
	else if (r->retry == NULL)
		r->retry = loop_timer_start(r->loop, ms, load, r);
}

static void load_later(struct registry *r)
{
	load_after(r, RETRY_MS);
}

void registry_load(struct registry *r)
{
	load_after(r, 0);
}

static void load_row(struct registry *r, const struct db_result *result, size_t row,
		     json_t *const *seen)
{
	const char *id = db_text(result, row, 1);
	json_t *spec = db_json(result, row, 3);
	enum kind kind;

	if (spec == NULL || kind_from_name(db_text(result, row, 0), &kind) < 0) {
		log_error("registry.load.unknown", log_str("kind", db_text(result, row, 0)),
			  log_id("id", id));
	} else {
		const json_t *have = registry_get(r, kind, id);
		json_object_set_new(seen[kind], id, json_true());
		if (have == NULL || !json_equal(have, spec))
			snapshot_set(r, kind, id, spec, db_int(result, row, 2));
		else
			json_object_set_new(r->versions[kind], id,
					    json_integer((json_int_t)db_int(result, row, 2)));
	}
	json_decref(spec);
}

/* What is in memory and was not seen in the database is gone. */
static void drop_unseen(struct registry *r, enum kind kind, const json_t *seen)
{
	const char *id;
	json_t *spec;
	void *next;

	json_object_foreach_safe(r->kinds[kind], next, id, spec) {
		ssf_auto_free char *gone = NULL; /* id goes with its entry */
		if (json_object_get(seen, id) == NULL && (gone = strdup(id)) != NULL)
			snapshot_set(r, kind, gone, NULL, 0);
	}
}

static void on_loaded(void *arg, const struct db_result *result, const struct ssf_err *err)
{
	struct registry *r = arg;
	json_t *seen[KIND_COUNT];

	r->loading = NULL;
	if (err != NULL) {
		log_warn("registry.load.failed", log_why(err));
		load_later(r);
		return;
	}
	if (r->stale) {
		load(r);
		return;
	}
	for (int k = 0; k < KIND_COUNT; k++)
		seen[k] = json_object();
	for (size_t row = 0; row < db_rows(result); row++)
		load_row(r, result, row, seen);
	for (int k = 0; k < KIND_COUNT; k++) {
		drop_unseen(r, (enum kind)k, seen[k]);
		json_decref(seen[k]);
	}
	if (!r->ready) {
		r->ready = true;
		r->ready_f(r->ready_arg);
	}
}

static void load(void *arg)
{
	struct registry *r = arg;

	r->retry = NULL;
	r->stale = false;
	if (db_exec(r->db, STMT_resource_all, NULL, on_loaded, r, &r->loading, NULL) < 0) {
		r->loading = NULL;
		load_later(r);
	}
}

int registry_new(struct loop *loop, struct db *db, loop_f *ready, void *arg, struct registry **out,
		 struct ssf_err *err)
{
	struct registry *r = calloc(1, sizeof(*r));
	bool ok;

	if (r == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "registry");
	*r = (struct registry){ .loop = loop, .db = db, .ready_f = ready, .ready_arg = arg };
	LIST_INIT(&r->puts);
	r->by_fingerprint = json_object();
	r->by_repository = json_object();
	r->by_token = json_object();
	r->by_issuer = json_object();
	r->by_token_issuer = json_object();
	r->by_subject = json_object();
	ok = r->by_fingerprint != NULL && r->by_repository != NULL && r->by_token != NULL &&
	     r->by_issuer != NULL && r->by_token_issuer != NULL && r->by_subject != NULL;
	for (int k = 0; k < KIND_COUNT; k++) {
		ok = (r->kinds[k] = json_object()) != NULL && ok;
		ok = (r->versions[k] = json_object()) != NULL && ok;
	}
	if (!ok) {
		registry_free(r);
		return ssf_fail(err, SSF_E_NOMEM, "registry");
	}
	*out = r;
	return 0;
}

static void put_free(struct registry_put *p)
{
	LIST_REMOVE(p, link);
	json_decref(p->batch);
	free(p);
}

void registry_free(struct registry *r)
{
	if (r == NULL)
		return;
	while (!LIST_EMPTY(&r->puts)) {
		struct registry_put *p = LIST_FIRST(&r->puts);
		db_cancel(p->op);
		put_free(p);
	}
	loop_timer_cancel(r->retry);
	db_cancel(r->loading);
	for (int k = 0; k < KIND_COUNT; k++) {
		json_decref(r->kinds[k]);
		json_decref(r->versions[k]);
	}
	json_decref(r->by_fingerprint);
	json_decref(r->by_repository);
	json_decref(r->by_token);
	json_decref(r->by_issuer);
	json_decref(r->by_token_issuer);
	json_decref(r->by_subject);
	free(r);
}

/* --- changing --------------------------------------------------------------------------- */

/* versions: one for each of the batch, in its order. */
static void put_apply(struct registry *r, const json_t *batch, const json_t *versions)
{
	const json_t *item;
	size_t i;

	json_array_foreach(batch, i, item) {
		enum kind kind;
		if (kind_from_name(json_string_value(json_object_get(item, "kind")), &kind) == 0)
			snapshot_set(r, kind, json_string_value(json_object_get(item, "id")),
				     json_object_get(item, "spec"),
				     json_integer_value(json_object_get(json_array_get(versions, i),
								        "version")));
	}
}

static void on_put(void *arg, const struct db_result *result, const struct ssf_err *err)
{
	struct registry_put *p = arg;
	struct registry *r = p->registry;
	json_t *versions = json_array();

	p->op = NULL;
	if (err == NULL) {
		for (size_t row = 0; row < db_rows(result); row++)
			json_array_append_new(versions,
					      json_pack("{s:s, s:s, s:I}", "kind",
							db_text(result, row, 0), "id",
							db_text(result, row, 1), "version",
							(json_int_t)db_int(result, row, 2)));
		put_apply(r, p->batch, versions);
		r->stale = r->loading != NULL;
	}
	/* it may have been committed all the same; of two at once, it is not known which was first */
	if (err != NULL || LIST_NEXT(LIST_FIRST(&r->puts), link) != NULL)
		load_later(r);
	if (p->f != NULL)
		p->f(p->arg, versions, err);
	json_decref(versions);
	put_free(p);
}

int registry_put_start(struct registry *r, json_t *batch, registry_put_f *f, void *arg,
		       struct registry_put **out, struct ssf_err *err)
{
	struct registry_put *p = calloc(1, sizeof(*p));
	char *text = json_dumps(batch, JSON_COMPACT);
	const char *params[] = { text };
	int started = -1;

	if (p != NULL && text != NULL) {
		*p = (struct registry_put){ .registry = r, .f = f, .arg = arg };
		started = db_exec(r->db, STMT_resource_put, params, on_put, p, &p->op, err);
	} else {
		ssf_fail(err, SSF_E_NOMEM, "registry");
	}
	free(text);
	if (started < 0) {
		free(p);
		return -1;
	}
	p->batch = json_incref(batch);
	LIST_INSERT_HEAD(&r->puts, p, link);
	*out = p;
	return 0;
}

void registry_put_cancel(struct registry_put *p)
{
	if (p != NULL)
		p->f = NULL; /* what was sent may be committed: the memory has to follow */
}
