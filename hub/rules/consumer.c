/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the rules in force and the position in the log up to which they have been applied:
 *
 *   owned -> cursor (ask the database) -> read -> match -> commit -> read ... -> handed over
 *
 * What it derives never sets off rules again, so that no rule can feed itself.
 */
#include "hub/rules/consumer.h"

#include "hub/metrics/metrics.h"
#include "hub/rules/rule_result.h"
#include "lib/kit/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define READ_MAX 128
#define POISON_FILE "-" /* file and rule of the hit that stands for a step that cannot be stored */
#define RETRY_MS 200
#define TICK_MS 5000 /* saves the cursor when nothing has matched for that long */

struct loaded {
	LIST_ENTRY(loaded) link;
	char *id;
	struct rule_file *file;
};

struct rules_consumer {
	struct loop *loop;
	struct db *db;
	struct owner *owner;
	struct event_log *log;
	struct registry *registry;
	const char *issuer;
	bool owned;             /* this process does the work */
	bool yielding;          /* and hands it over when what is under way has ended */
	bool known;             /* the cursors below are those of the database, or ahead of it */
	int64_t stored;         /* cursor in the database */
	int64_t cursor;         /* events up to here are matched */
	int64_t next;           /* cursor once what is being committed is */
	int64_t epoch;          /* under which it is */
	size_t read_max;        /* 1 after the database refused a step: to find the event that is to blame */
	int64_t poison;         /* seq of an event whose outcome cannot be stored, or 0 */
	struct event_log_read *read;
	struct db_op *op;
	bool committing;        /* op is a commit, else it asks for the cursor */
	struct drafts *drafts;  /* that it appends, or NULL */
	struct loop_timer *retry;
	struct loop_tick *tick;
	LIST_HEAD(, loaded) files;
};

static void step(struct rules_consumer *c);
static void on_lost(void *arg, int unit);

/*
 * --- rules -------------------------------------------------------------------------------------
 */

static void loaded_free(struct loaded *l)
{
	LIST_REMOVE(l, link);
	rule_file_free(l->file);
	free(l->id);
	free(l);
}

static void on_resource(void *arg, enum kind kind, const char *id, const json_t *spec)
{
	struct rules_consumer *c = arg;
	struct rule_file *file = NULL;
	struct ssf_diagnostic diag;
	struct loaded *l;

	if (kind != KIND_RULES)
		return;
	if (spec != NULL &&
	    rule_file_compile(ssf_str_c(json_string_value(json_object_get(spec, "text"))), &file,
			      &diag) < 0) {
		/* it compiled when it was stored: another version of this program stored it */
		log_error("rules.load.failed", log_str("file", id), log_int("line", diag.line),
			  log_int("column", diag.column), log_why(&diag.err));
		return;
	}
	LIST_FOREACH(l, &c->files, link) {
		if (strcmp(l->id, id) == 0) {
			loaded_free(l);
			break;
		}
	}
	if (file == NULL)
		return;
	l = calloc(1, sizeof(*l));
	if (l == NULL || (l->id = strdup(id)) == NULL) {
		log_error("rules.load.nomem", log_str("file", id));
		free(l);
		rule_file_free(file);
		return;
	}
	l->file = file;
	LIST_INSERT_HEAD(&c->files, l, link);
	log_info("rules.loaded", log_str("file", id), log_int("rules",
							      (int64_t)rule_file_count(file)),
		 log_str("digest", rule_file_digest(file)));
}

/*
 * --- the document that rules match
 * ----------------------------------------------------------------
 */

/* A registry entry as a join: its members, its id, and "known". */
static json_t *joined(const struct rules_consumer *c, enum kind kind, const char *id)
{
	const json_t *spec = id != NULL ? registry_get(c->registry, kind, id) : NULL;
	json_t *join;

	if (spec == NULL)
		return json_pack("{s:b}", "known", 0);
	join = json_copy((json_t *)spec);
	json_object_set_new(join, "id", json_string(id));
	json_object_set_new(join, "known", json_true());
	return join;
}

static json_t *document_new(const struct rules_consumer *c, const struct event *e)
{
	const char *credential = json_string_value(json_object_get(e->body, "credential"));
	json_t *subject = e->sub_id != NULL ? json_copy(e->sub_id) : json_object();
	json_t *agent = joined(c, KIND_AGENT, e->agent_id);
	const char *owner = json_string_value(json_object_get(agent, "owner"));

	if (e->agent_id != NULL)
		json_object_set_new(subject, "agent_id", json_string(e->agent_id));
	return json_pack("{s:s, s:s, s:s, s:s, s:I, s:s, s:o, s:O, s:o, s:o, s:o}", "type", e->type,
			 "id", e->origin_id, "source", e->origin, "txn", e->txn, "time",
			 (json_int_t)(e->at_ms / 1000), "iss", c->issuer, "subject", subject,
			 "detail", e->body, "$agent", agent, "$owner",
			 joined(c, KIND_PERSON, owner), "$credential",
			 joined(c, KIND_CREDENTIAL, credential));
}

static int match_file(struct rules_consumer *c, const struct loaded *l, const struct event *e,
		      const json_t *document, struct rule_result *o, struct ssf_err *err)
{
	for (size_t i = 0; i < rule_file_count(l->file); i++) {
		const struct rule *rule = rule_file_at(l->file, i);
		json_auto_t *trace = json_array();
		bool matched = false;

		if (rule->mode == RULE_OFF)
			continue;
		if (rule_match(rule, document, &matched, trace, err) < 0)
			return -1;
		if (!matched)
			continue;
		metric_add_of(rules_matches, rule->mode == RULE_ENFORCE ?
			      LABEL_mode_enforce : LABEL_mode_dry_run, 1);
		log_info("rules.matched", log_str("rule", rule->id), log_str("txn", e->txn),
			 log_int("seq", e->seq),
			 log_str("mode", rule->mode == RULE_ENFORCE ? "enforce" : "dry-run"));
		const struct rule_result_match m = { l->file, l->id, rule, e, document, trace,
						     c->issuer };
		if (rule_result_add(o, &m, err) < 0)
			return -1;
	}
	return 0;
}

static bool any_wants(const struct rules_consumer *c, const char *type)
{
	const struct loaded *l;

	LIST_FOREACH(l, &c->files, link) {
		for (size_t i = 0; i < rule_file_count(l->file); i++) {
			if (rule_wants(rule_file_at(l->file, i), type))
				return true;
		}
	}
	return false;
}

static int match_event(struct rules_consumer *c, const struct event *e, struct rule_result *o,
		       struct ssf_err *err)
{
	const struct loaded *l;
	json_auto_t *document = NULL;

	if (strcmp(e->origin, EVENT_ORIGIN_RULES) == 0 || !any_wants(c, e->type))
		return 0;
	if (e->seq == c->poison)
		return rule_result_add_poison(o, POISON_FILE, e, err);
	document = document_new(c, e);
	if (document == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "rules");
	LIST_FOREACH(l, &c->files, link) {
		if (match_file(c, l, e, document, o, err) < 0)
			return -1;
	}
	return 0;
}

/*
 * --- the machine
 * ------------------------------------------------------------------------------------
 */

static void on_retry(void *arg)
{
	struct rules_consumer *c = arg;

	c->retry = NULL;
	step(c);
}

/* After any failure the outcome is unknown: ask the database where we are. */
static void fail(struct rules_consumer *c, const struct ssf_err *err)
{
	log_warn("rules.retry", log_why(err));
	c->known = false;
	if (c->retry == NULL)
		c->retry = loop_timer_start(c->loop, RETRY_MS, on_retry, c);
}

/*
 * The database refuses what a step led to, and would again: one event at a time, to find the one
 * that is to blame; of that one only the error is kept, so that it does not stop all the others.
 */
static void refused(struct rules_consumer *c, const struct ssf_err *err)
{
	if (c->read_max > 1) {
		c->read_max = 1;
	} else {
		log_error("rules.poison", log_int("seq", c->next), log_why(err));
		c->poison = c->next;
	}
}

static void on_committed(void *arg, const struct db_result *r, const struct ssf_err *err)
{
	struct rules_consumer *c = arg;
	ssf_auto(drafts) drafts = SSF_STEAL(c->drafts);

	c->op = NULL;
	c->committing = false;
	metric_add_of(rules_commits, err == NULL ? LABEL_result_ok : LABEL_result_failed, 1);
	if (err != NULL) {
		if (err->code == SSF_E_INTERNAL)
			refused(c, err);
		fail(c, err);
		if (err->code == SSF_E_CONFLICT) /* somebody else has moved the cursor, or owns it */
			owner_refused(c->owner, OWNER_RULES, c->epoch);
		return;
	}
	c->read_max = READ_MAX;
	c->poison = 0;
	c->stored = c->cursor = c->next;
	event_log_stored(c->log, drafts, r);
	step(c);
}

static int commit(struct rules_consumer *c, const struct rule_result *o, struct ssf_err *err)
{
	ssf_auto_free char *events = drafts_text(o->events);

	if (events == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "rules");
	c->epoch = owner_epoch(c->owner, OWNER_RULES);
	if (db_exec(c->db, STMT_rules_commit,
		    DB_PARAMS(db_param_uuid(owner_id(c->owner)), db_param_int(c->epoch), db_param_int(c->stored),
			      db_param_int(c->next), db_param_json_text(events), db_param_json(o->matches),
			      db_param_json(o->revocations)),
		    on_committed, c, &c->op, err) < 0)
		return -1;
	c->committing = true;
	c->drafts = drafts_ref(o->events);
	return 0;
}

static void on_events(void *arg, struct event *const *events, size_t count,
		      const struct ssf_err *err)
{
	struct rules_consumer *c = arg;
	struct rule_result o;
	struct ssf_err why;
	int64_t began;
	int r = 0;

	c->read = NULL;
	if (err != NULL) {
		fail(c, err);
		return;
	}
	if (rule_result_init(&o, &why) < 0) {
		fail(c, &why);
		return;
	}
	began = loop_now_us();
	for (size_t i = 0; r == 0 && i < count; i++)
		r = match_event(c, events[i], &o, &why);
	metric_observe(rules_step_seconds, loop_now_us() - began);
	metric_add(rules_events, (int64_t)count);
	if (r == 0 && count > 0) {
		c->next = events[count - 1]->seq;
		if (json_array_size(o.matches) > 0)
			r = commit(c, &o, &why);
		else
			c->cursor = c->next; /* nothing followed: the tick saves it */
	}
	rule_result_done(&o);
	if (r < 0) {
		fail(c, &why);
	} else if (c->op == NULL) {
		step(c);
	}
}

/* Saves a cursor that is ahead of what is stored because nothing had followed. */
static void save(struct rules_consumer *c)
{
	struct rule_result o;
	struct ssf_err err;

	if (!c->known || c->stored >= c->cursor || rule_result_init(&o, &err) < 0)
		return;
	c->next = c->cursor;
	if (commit(c, &o, &err) < 0)
		log_debug("rules.retry", log_why(&err)); /* saved another time */
	rule_result_done(&o);
}

/* Nothing is under way: what is to be known is saved, and then the unit is somebody else's. */
static void yield(struct rules_consumer *c)
{
	if (c->owned)
		save(c);
	if (c->op != NULL)
		return;
	on_lost(c, OWNER_RULES);
	owner_yielded(c->owner, OWNER_RULES);
}

static void on_cursor(void *arg, const struct db_result *r, const struct ssf_err *err)
{
	struct rules_consumer *c = arg;

	c->op = NULL;
	if (err != NULL) {
		fail(c, err);
		return;
	}
	c->stored = c->cursor = db_int(r, 0, 0);
	c->known = true;
	step(c);
}

static void step(struct rules_consumer *c)
{
	struct ssf_err err;
	int r = 0;

	if (c->op != NULL || c->read != NULL)
		return;
	if (c->yielding) {
		yield(c);
		return;
	}
	if (c->retry != NULL || !c->owned || !owner_acts(c->owner, OWNER_RULES))
		return;
	if (!c->known) {
		r = db_exec(c->db, STMT_consumer_cursor, DB_NO_PARAMS, on_cursor, c, &c->op, &err);
	} else if (c->cursor < event_log_head(c->log)) {
		r = event_log_read(c->log, c->cursor, c->read_max, on_events, c, &c->read, &err);
	}
	if (r < 0 && c->retry == NULL) /* the database's state is logged elsewhere */
		c->retry = loop_timer_start(c->loop, RETRY_MS, on_retry, c);
}

static void on_head(void *arg, int64_t head)
{
	(void)head;
	step(arg);
}

static void on_tick(void *arg)
{
	struct rules_consumer *c = arg;

	if (c->owned && c->op == NULL && c->read == NULL)
		save(c);
	step(c);
}

/*
 * --- ownership
 * ---------------------------------------------------------------------------------------
 */

static void on_taken(void *arg, int unit, bool kept)
{
	struct rules_consumer *c = arg;

	(void)unit;
	(void)kept; /* the database knows the cursor, and perhaps more than we do */
	c->owned = true;
	c->known = c->yielding = false;
	step(c);
}

/* What is being committed is refused if it comes too late. */
static void on_lost(void *arg, int unit)
{
	struct rules_consumer *c = arg;

	(void)unit;
	c->owned = c->known = c->yielding = false;
	if (!c->committing) {
		db_cancel(c->op);
		c->op = NULL;
	}
	event_log_cancel(c->read);
	c->read = NULL;
	loop_timer_cancel(c->retry);
	c->retry = NULL;
}

static void on_yield(void *arg, int unit)
{
	struct rules_consumer *c = arg;

	(void)unit;
	c->yielding = true;
	step(c);
}

static const struct owner_hooks hooks = { on_taken, on_lost, on_lost, on_yield };

int rules_consumer_new(struct loop *loop, struct db *db, struct owner *owner, struct event_log *log,
		       struct registry *registry, const char *issuer, struct rules_consumer **out,
		       struct ssf_err *err)
{
	struct rules_consumer *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "rules");
	*c = (struct rules_consumer){ .loop = loop, .db = db, .owner = owner, .log = log,
				      .registry = registry, .issuer = issuer, .read_max = READ_MAX };
	LIST_INIT(&c->files);
	c->tick = loop_tick_start(loop, TICK_MS, on_tick, c);
	if (c->tick == NULL) {
		rules_consumer_free(c);
		return ssf_fail(err, SSF_E_NOMEM, "rules");
	}
	if (registry_listen(registry, on_resource, c, err) < 0) {
		rules_consumer_free(c);
		return -1;
	}
	event_log_listen(log, on_head, c);
	owner_attend(owner, OWNER_RULES, 1, &hooks, c);
	*out = c;
	return 0;
}

void rules_consumer_free(struct rules_consumer *c)
{
	if (c == NULL)
		return;
	while (!LIST_EMPTY(&c->files))
		loaded_free(LIST_FIRST(&c->files));
	event_log_cancel(c->read);
	db_cancel(c->op);
	drafts_free(c->drafts);
	loop_timer_cancel(c->retry);
	loop_tick_cancel(c->tick);
	free(c);
}

int64_t rules_consumer_cursor(const struct rules_consumer *c)
{
	return c->known ? c->cursor : -1;
}

size_t rules_consumer_rules(const struct rules_consumer *c)
{
	const struct loaded *l;
	size_t n = 0;

	LIST_FOREACH(l, &c->files, link) {
		for (size_t i = 0; i < rule_file_count(l->file); i++)
			n += rule_file_at(l->file, i)->mode != RULE_OFF;
	}
	return n;
}
