/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the snapshot of resources. A change is in here only after its commit, so that nothing
 * acts on a setting that a restart would forget; and only after those before it, whoever made them:
 *
 *   load -> up to change N -> a put of ours that is N+1: taken from memory
 *                          -> anything else: read what came after N
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
#define FOLLOW_MAX 500
#define FOLLOW_MAX_TEXT "500"

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

/* store -> (the memory is that far) -> (all others are) -> told */
struct registry_put {
	LIST_ENTRY(registry_put) link;
	struct registry *registry;
	json_t *batch;
	registry_put_f *f; /* NULL: cancelled */
	void *arg;
	struct db_op *op;
	json_t *versions;  /* once it is stored */
	int64_t change;    /* its last one */
	bool others;       /* there are other processes */
	struct owner_wait *settling;
};

struct registry {
	struct loop *loop;
	struct db *db;
	bool ready;
	loop_f *ready_f;
	void *ready_arg;
	struct owner *owner;
	int64_t change;            /* all changes up to here are in the memory */
	struct loop_timer *retry;
	struct db_op *loading;
	bool again;                /* to be read on when what is being read is here */
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

static void read_on(void *arg);
static void puts_reached(struct registry *r);
static void puts_fail(struct registry *r, const struct ssf_err *err);

void registry_share(struct registry *r, struct owner *owner)
{
	r->owner = owner;
}

static void read_after(struct registry *r, int64_t ms)
{
	if (r->loading != NULL)
		r->again = true;
	else if (r->retry == NULL)
		r->retry = loop_timer_start(r->loop, ms, read_on, r);
}

void registry_load(struct registry *r)
{
	read_after(r, 0);
}

/* spec NULL: it is gone. */
static void take_row(struct registry *r, const char *name, const char *id, json_t *spec, int64_t version)
{
	enum kind kind;

	if (kind_from_name(name, &kind) < 0)
		log_error("registry.load.unknown", log_str("kind", name), log_id("id", id));
	else
		snapshot_set(r, kind, id, spec, version);
}

static void reached(struct registry *r, int64_t change)
{
	r->change = change;
	if (r->owner != NULL)
		owner_applied(r->owner, OWNER_CHANGES, change);
	puts_reached(r);
}

/* Columns: change, kind, id, version, spec. */
static void take_changes(struct registry *r, const struct db_result *result)
{
	int64_t change = r->change;

	for (size_t row = 0; row < db_rows(result); row++) {
		json_auto_t *spec = db_json(result, row, 4);
		change = db_int(result, row, 0);
		if (change > r->change) /* a put of ours may have come in between */
			take_row(r, db_text(result, row, 1), db_text(result, row, 2), spec,
				 db_int(result, row, 3));
	}
	if (change > r->change)
		reached(r, change);
	r->again = r->again || db_rows(result) == FOLLOW_MAX;
}

/* The same columns, of all that there is; change is the last one of all, also when there is nothing. */
static void take_all(struct registry *r, const struct db_result *result)
{
	for (size_t row = 0; row < db_rows(result); row++) {
		json_auto_t *spec = db_json(result, row, 4);
		if (spec != NULL)
			take_row(r, db_text(result, row, 1), db_text(result, row, 2), spec,
				 db_int(result, row, 3));
	}
	r->ready = true;
	reached(r, db_int(result, 0, 0));
	r->ready_f(r->ready_arg);
}

static void on_read(void *arg, const struct db_result *result, const struct ssf_err *err)
{
	struct registry *r = arg;

	r->loading = NULL;
	if (err != NULL) {
		log_warn("registry.load.failed", log_why(err));
		puts_fail(r, err);
		read_after(r, RETRY_MS);
		return;
	}
	if (r->ready)
		take_changes(r, result);
	else
		take_all(r, result);
	if (r->again)
		read_after(r, 0);
}

static void read_on(void *arg)
{
	struct registry *r = arg;
	char after[24];
	const char *params[] = { after, FOLLOW_MAX_TEXT };
	struct ssf_err err;

	r->retry = NULL;
	r->again = false;
	snprintf(after, sizeof(after), "%lld", (long long)r->change);
	if (db_exec(r->db, r->ready ? STMT_resource_changes : STMT_resource_all, params, on_read, r,
		    &r->loading, &err) < 0) {
		r->loading = NULL;
		puts_fail(r, &err);
		read_after(r, RETRY_MS);
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
	db_cancel(p->op);
	owner_settle_cancel(p->settling);
	json_decref(p->versions);
	json_decref(p->batch);
	free(p);
}

void registry_free(struct registry *r)
{
	if (r == NULL)
		return;
	while (!LIST_EMPTY(&r->puts))
		put_free(LIST_FIRST(&r->puts));
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

static void put_finish(struct registry_put *p, const struct ssf_err *err)
{
	if (p->f != NULL)
		p->f(p->arg, err == NULL ? p->versions : NULL, err);
	put_free(p);
}

static void on_settled(void *arg)
{
	struct registry_put *p = arg;

	p->settling = NULL;
	put_finish(p, NULL);
}

/* What it changed is in the memory: and in that of the others? */
static void put_reached(struct registry_put *p)
{
	struct owner *owner = p->registry->owner;

	if (!p->others || owner == NULL ||
	    owner_settle_start(owner, OWNER_CHANGES, p->change, on_settled, p, &p->settling, NULL) < 0) {
		p->settling = NULL;
		put_finish(p, NULL);
	}
}

static void puts_reached(struct registry *r)
{
	struct registry_put *p, *next;

	for (p = LIST_FIRST(&r->puts); p != NULL; p = next) {
		next = LIST_NEXT(p, link);
		if (p->op == NULL && p->settling == NULL && p->change <= r->change)
			put_reached(p);
	}
}

/* They are stored, and what follows from that is not known. */
static void puts_fail(struct registry *r, const struct ssf_err *err)
{
	struct registry_put *p, *next;

	for (p = LIST_FIRST(&r->puts); p != NULL; p = next) {
		next = LIST_NEXT(p, link);
		if (p->op == NULL && p->settling == NULL)
			put_finish(p, err);
	}
}

/* Nobody has changed anything between what is known and this: it need not be read again. */
static void put_apply(struct registry *r, const struct registry_put *p)
{
	const json_t *item;
	size_t i;

	json_array_foreach(p->batch, i, item) {
		json_t *spec = json_object_get(item, "spec");
		take_row(r, json_string_value(json_object_get(item, "kind")),
			 json_string_value(json_object_get(item, "id")), json_is_object(spec) ? spec : NULL,
			 json_integer_value(json_object_get(json_array_get(p->versions, i), "version")));
	}
}

/* Columns: kind, id, version, change, others. */
static int take_versions(struct registry_put *p, const struct db_result *result, int64_t *first)
{
	size_t rows = db_rows(result);

	p->versions = json_array();
	for (size_t row = 0; row < rows; row++) {
		if (json_array_append_new(p->versions,
					  json_pack("{s:s, s:s, s:I}", "kind", db_text(result, row, 0), "id",
						    db_text(result, row, 1), "version",
						    (json_int_t)db_int(result, row, 2))) < 0)
			return -1;
	}
	if (rows == 0)
		return -1;
	*first = db_int(result, 0, 3);
	p->change = db_int(result, rows - 1, 3);
	p->others = db_text(result, rows - 1, 4)[0] == 't';
	return 0;
}

static void on_put(void *arg, const struct db_result *result, const struct ssf_err *err)
{
	struct registry_put *p = arg;
	struct registry *r = p->registry;
	struct ssf_err why;
	int64_t first = 0;

	p->op = NULL;
	if (err == NULL && take_versions(p, result, &first) < 0) {
		ssf_fail(&why, SSF_E_NOMEM, "resources");
		err = &why;
	}
	if (err != NULL) { /* it may have been committed all the same */
		registry_load(r);
		put_finish(p, err);
	} else if (first == r->change + 1) {
		put_apply(r, p);
		reached(r, p->change);
	} else if (p->change <= r->change) { /* it was read before we were told */
		put_reached(p);
	} else {
		registry_load(r);
	}
}

int registry_put_start(struct registry *r, json_t *batch, registry_put_f *f, void *arg,
		       struct registry_put **out, struct ssf_err *err)
{
	struct registry_put *p = calloc(1, sizeof(*p));
	char *text = json_dumps(batch, JSON_COMPACT);
	const char *params[] = { text, r->owner != NULL ? owner_id(r->owner) : NULL };
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
