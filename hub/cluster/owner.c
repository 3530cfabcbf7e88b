/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the session and the state of every unit. It must never let a unit act whose lock the session
 * may have lost: it is paused before anything else is done about a session that breaks.
 */
#include "hub/cluster/owner.h"

#include "hub/metrics/metrics.h"
#include "hub/cluster/owner_priv.h"
#include "lib/kit/backoff.h"
#include "lib/kit/log.h"
#include "lib/kit/uuid.h"
#include "lib/ssf/attr.h"
#include "lib/ssf/buf.h"


#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TICK_MS 400
#define TICK_JITTER_MS 200
#define TIMEOUT_MAX_MS 2000
#define QUEUE_MAX 16
#define UNITS_BYTES 4096

static const char session_sql[] = "set tcp_keepalives_idle = 1;"
				  "set tcp_keepalives_interval = 1;"
				  "set tcp_keepalives_count = 3;"
				  "set tcp_user_timeout = 3000;"
				  "listen ssfhub";

static void step(struct owner *o);

static void on_kick(void *arg)
{
	struct owner *o = arg;

	o->kick = NULL;
	step(o);
}

int64_t owner_clock_ms(void)
{
	struct timespec ts = { 0 };

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int owner_shard(const char *stream)
{
	uint8_t digest[SSF_SHA256_LEN];

	ssf_sha256(ssf_str_c(stream), digest);
	return digest[0] % OWNER_SHARDS;
}

/* --- units ----------------------------------------------------------------------------------------- */

static size_t count(const struct owner *o, enum unit_state state)
{
	size_t n = 0;

	for (int i = 0; i < OWNER_UNITS; i++)
		n += o->units[i].state == state;
	return n;
}

static void unit_lose(struct owner *o, int unit)
{
	struct unit *u = &o->units[unit];

	u->state = UNIT_FREE;
	u->hooks->lost(u->arg, unit);
}

static void unit_act(struct owner *o, int unit)
{
	struct unit *u = &o->units[unit];

	u->state = UNIT_ACTING;
	u->hooks->taken(u->arg, unit, u->kept);
}

static void unit_yield(struct owner *o, int unit)
{
	struct unit *u = &o->units[unit];
	bool acted = u->state == UNIT_ACTING || u->kept; /* then something may be to be saved */

	u->state = UNIT_YIELDING;
	if (acted)
		u->hooks->yield(u->arg, unit);
	else
		owner_yielded(o, unit);
}

static void yield_all(struct owner *o)
{
	for (int i = 0; i < OWNER_UNITS; i++) {
		if (o->units[i].state == UNIT_ACTING || o->units[i].state == UNIT_TAKEN)
			unit_yield(o, i);
	}
}

void owner_yielded(struct owner *o, int unit)
{
	struct unit *u = &o->units[unit];

	if (u->state != UNIT_YIELDING)
		return; /* the session broke meanwhile */
	u->state = UNIT_YIELDED;
	if (o->kick == NULL) /* for all that are given back in this turn */
		o->kick = loop_defer_start(o->loop, on_kick, o);
}

/* The session is gone, or may be: from here on somebody else may own what was ours. */
static void pause_all(struct owner *o)
{
	for (int i = 0; i < OWNER_UNITS; i++) {
		struct unit *u = &o->units[i];
		enum unit_state was = u->state;
		if (was == UNIT_ACTING || was == UNIT_YIELDING) {
			u->state = UNIT_PAUSED;
			u->hooks->paused(u->arg, i);
		} else if (was == UNIT_TAKEN && u->kept) {
			u->state = UNIT_PAUSED; /* as it was told: it has not been acted for since */
		} else if (was != UNIT_FREE && was != UNIT_PAUSED) {
			unit_lose(o, i);
		}
	}
}

/* Units that were taken act when this process knows all that had changed before. */
void owner_gate(struct owner *o)
{
	for (int i = 0; i < OWNER_UNITS; i++) {
		const struct unit *u = &o->units[i];
		if (u->state == UNIT_TAKEN &&
		    o->numbers[OWNER_CHANGES].applied >= u->after[OWNER_CHANGES] &&
		    o->numbers[OWNER_KEYS].applied >= u->after[OWNER_KEYS])
			unit_act(o, i);
	}
	if (!o->told_ready && o->joined && !o->fresh_join && count(o, UNIT_TAKEN) == 0 &&
	    o->numbers[OWNER_CHANGES].behind_ms == 0 && o->numbers[OWNER_KEYS].behind_ms == 0) {
		o->told_ready = true;
		o->ready(o->arg);
	}
}

/* --- ticks ------------------------------------------------------------------------------------------ */

static void take(struct owner *o, int unit, int64_t epoch, int64_t change, int64_t keys)
{
	struct unit *u = &o->units[unit];

	u->kept = u->state == UNIT_PAUSED && epoch == u->epoch + 1;
	if (u->state == UNIT_PAUSED && !u->kept)
		unit_lose(o, unit);
	u->state = UNIT_TAKEN;
	u->epoch = epoch;
	u->after[OWNER_CHANGES] = change;
	u->after[OWNER_KEYS] = keys;
}

static void take_all(struct owner *o, const json_t *taken, int64_t change, int64_t keys)
{
	const json_t *item;
	size_t i;

	json_array_foreach(taken, i, item) {
		json_int_t unit = json_integer_value(json_object_get(item, "unit"));
		if (unit >= 0 && unit < OWNER_UNITS)
			take(o, (int)unit, json_integer_value(json_object_get(item, "epoch")), change, keys);
	}
	if (json_array_size(taken) > 0) {
		log_info("owner.taken", log_int("units", (int64_t)json_array_size(taken)),
			 log_int("share", (int64_t)o->share));
		news_say(o, SAY_UNITS);
	}
}

/* What was paused and could not be taken again has another owner. */
static void lose_paused(struct owner *o)
{
	size_t lost = count(o, UNIT_PAUSED);

	for (int i = 0; i < OWNER_UNITS; i++) {
		if (o->units[i].state == UNIT_PAUSED)
			unit_lose(o, i);
	}
	if (lost > 0)
		log_info("owner.lost", log_int("units", (int64_t)lost));
}

/* Hands over what is more than our share, streams first: the rules stay where they are. */
static void yield_surplus(struct owner *o)
{
	size_t acting = count(o, UNIT_ACTING) + count(o, UNIT_TAKEN);

	if (acting <= o->share)
		return;
	log_info("owner.yields", log_int("units", (int64_t)(acting - o->share)));
	for (int i = 0; i < OWNER_UNITS && acting > o->share; i++) {
		if (o->units[i].state == UNIT_ACTING) {
			acting--;
			unit_yield(o, i);
		}
	}
}

/* since_ms: of the tick before: what is new in this one was not there then. */
static void learn(struct owner *o, const json_t *doc, int64_t since_ms)
{
	int64_t change = json_integer_value(json_object_get(doc, "change"));
	int64_t keys = json_integer_value(json_object_get(doc, "keys"));
	json_t *owners = json_object_get(doc, "units");

	o->share = (size_t)json_integer_value(json_object_get(doc, "share"));
	json_decref(o->members);
	o->members = json_incref(json_object_get(doc, "members"));
	json_decref(o->owners);
	o->owners = json_is_array(owners) ? json_incref(owners) : NULL;
	take_all(o, json_object_get(doc, "taken"), change, keys);
	if (o->fresh_join) {
		o->fresh_join = false;
		lose_paused(o);
	}
	if (o->leaving)
		yield_all(o); /* what it has acquired may have been under way when we began to leave */
	else
		yield_surplus(o);
	news_heard(o, OWNER_CHANGES, change, since_ms);
	news_heard(o, OWNER_KEYS, keys, since_ms);
	owner_gate(o);
}

static void broken(struct owner *o, const char *why)
{
	db_drop(o->db, why);
}

static void on_ticked(void *arg, const struct db_result *r, const struct ssf_err *err)
{
	struct owner *o = arg;
	json_auto_t *doc = err == NULL ? db_json(r, 0, 0) : NULL;
	int64_t since_ms = o->fresh_join ? o->asked_ms : o->fresh_ms;

	o->op = NULL;
	if (!json_is_object(doc)) { /* a session that does not answer, or that the others have given up */
		broken(o, err != NULL ? err->msg : "the session takes part no more");
		return;
	}
	o->fresh_ms = o->asked_ms;
	learn(o, doc, since_ms);
	step(o);
}

static void on_timer(void *arg)
{
	struct owner *o = arg;

	o->timer = NULL;
	o->again = true;
	step(o);
}

/* Not all at the same time: those who start together, or see the same process die. */
static void plan_tick(struct owner *o)
{
	if (o->timer == NULL)
		o->timer = loop_timer_start(o->loop, TICK_MS + backoff_random_ms(TICK_JITTER_MS), on_timer, o);
}

static int send_tick(struct owner *o)
{
	o->again = false;
	o->asked_ms = owner_clock_ms();
	return db_exec(o->db, STMT_owner_tick,
		       DB_PARAMS(db_param_uuid(o->id), db_param_int(o->numbers[OWNER_CHANGES].applied),
				 db_param_int(o->numbers[OWNER_KEYS].applied), db_param_bool(o->leaving)),
		       on_ticked, o, &o->op, NULL);
}

/* --- joining, giving back, leaving ------------------------------------------------------------------- */

static void on_joined(void *arg, const struct db_result *r, const struct ssf_err *err)
{
	struct owner *o = arg;

	(void)r;
	o->op = NULL;
	if (err != NULL) {
		broken(o, err->msg);
		return;
	}
	o->joined = o->fresh_join = o->again = true;
	news_session(o);
	step(o);
}

static int send_join(struct owner *o)
{
	return db_exec(o->db, STMT_owner_join,
		       DB_PARAMS(db_param_uuid(o->id), db_param_text(o->url),
				 db_param_int(o->numbers[OWNER_CHANGES].applied),
				 db_param_int(o->numbers[OWNER_KEYS].applied)),
		       on_joined, o, &o->op, NULL);
}

static void on_released(void *arg, const struct db_result *r, const struct ssf_err *err)
{
	struct owner *o = arg;

	(void)r;
	o->op = NULL;
	if (err != NULL) {
		broken(o, err->msg);
		return;
	}
	news_say(o, SAY_UNITS);
	step(o);
}

/* Those are free with the statement: whoever attends to them has nothing to do with them any more. */
static int send_release(struct owner *o)
{
	db_auto_array units = { 0 };

	db_array_init(&units, DB_ELEMENT_INT8, UNITS_BYTES);
	for (int i = 0; i < OWNER_UNITS; i++) {
		if (o->units[i].state != UNIT_YIELDED)
			continue;
		db_array_add_int(&units, i);
		unit_lose(o, i);
	}
	log_info("owner.released", log_int("units", units.count));
	return db_exec(o->db, STMT_owner_release, DB_PARAMS(db_param_array(&units)), on_released, o, &o->op, NULL);
}

static void left(struct owner *o)
{
	loop_f *f = o->left;

	o->left = NULL;
	loop_timer_cancel(o->timer);
	o->timer = NULL;
	if (f != NULL)
		f(o->left_arg);
}

static void on_left(void *arg, const struct db_result *r, const struct ssf_err *err)
{
	struct owner *o = arg;

	(void)r;
	(void)err; /* the end of the session does the same */
	o->op = NULL;
	o->joined = o->started = false;
	left(o);
}

static bool holds_any(const struct owner *o)
{
	return count(o, UNIT_FREE) + count(o, UNIT_PAUSED) < OWNER_UNITS;
}

void owner_leave(struct owner *o, loop_f *done, void *arg)
{
	o->leaving = o->again = true;
	o->left = done;
	o->left_arg = arg;
	yield_all(o);
	loop_timer_cancel(o->timer);
	o->timer = loop_timer_start(o->loop, 0, on_timer, o); /* never from inside */
}

/* --- the machine -------------------------------------------------------------------------------------- */

/* One statement at a time: the next that is wanted, else the next tick in a while. */
static void step(struct owner *o)
{
	int sent = 0;

	if (o->op != NULL || o->stopped)
		return;
	if (!db_is_up(o->db) || !o->started || (o->leaving && !o->joined)) {
		if (o->leaving && o->timer == NULL)
			left(o); /* there is nothing that anybody could wait for */
		return;
	}
	if (!o->joined)
		sent = send_join(o);
	else if (count(o, UNIT_YIELDED) > 0)
		sent = send_release(o);
	else if (o->leaving && !holds_any(o))
		sent = db_exec(o->db, STMT_owner_leave, DB_PARAMS(db_param_uuid(o->id)), on_left, o, &o->op, NULL);
	else if (o->again)
		sent = send_tick(o);
	else
		plan_tick(o);
	if (sent < 0) {
		o->op = NULL;
		plan_tick(o);
	}
}

static void on_state(void *arg, bool up)
{
	struct owner *o = arg;

	if (!up) {
		bool was = o->joined;
		o->joined = false;
		pause_all(o);
		if (was) {
			metric_add(sessions_lost, 1);
			log_warn("owner.session.lost");
		}
	}
	step(o);
}

void owner_start(struct owner *o)
{
	for (int i = 0; i < OWNER_UNITS; i++)
		assert(o->units[i].hooks != NULL);
	o->started = true;
	step(o);
}

void owner_look(struct owner *o)
{
	o->again = true;
	step(o);
}

bool owner_is_up(const struct owner *o)
{
	return o->joined && !o->fresh_join;
}

int owner_new(struct loop *loop, const struct owner_conf *conf, struct owner **out, struct ssf_err *err)
{
	struct owner *o = calloc(1, sizeof(*o));
	struct db_conf db = {
		.conninfo = conf->conninfo,
		.connections = 1,
		.queue_max = QUEUE_MAX,
		.timeout_ms = conf->timeout_ms < TIMEOUT_MAX_MS ? conf->timeout_ms : TIMEOUT_MAX_MS,
		.session_sql = session_sql,
		.detect_dead_peer = true,
		.notified = news_notified,
	};

	if (o == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "owner");
	LIST_INIT(&o->waits);
	o->loop = loop;
	o->ready = conf->ready;
	o->news = conf->news;
	o->arg = conf->arg;
	uuid_make(o->id);
	o->url = strdup(conf->url);
	if (o->url == NULL || db_new(loop, &db, on_state, o, &o->db, err) < 0) {
		owner_free(o);
		return ssf_fail(err, SSF_E_NOMEM, "owner");
	}
	*out = o;
	return 0;
}

void owner_stop(struct owner *o)
{
	if (o == NULL)
		return;
	o->stopped = true;
	db_stop(o->db);
	news_stop(o);
	loop_defer_cancel(o->kick);
	o->kick = NULL;
	loop_timer_cancel(o->timer);
	o->timer = NULL;
}

void owner_free(struct owner *o)
{
	if (o == NULL)
		return;
	owner_stop(o);
	db_free(o->db);
	json_decref(o->members);
	json_decref(o->owners);
	free(o->url);
	free(o);
}

void owner_attend(struct owner *o, int first, int n, const struct owner_hooks *hooks, void *arg)
{
	assert(!o->started);
	for (int i = first; i < first + n; i++) {
		o->units[i].hooks = hooks;
		o->units[i].arg = arg;
	}
}

bool owner_acts(const struct owner *o, int unit)
{
	return o->units[unit].state == UNIT_ACTING && owner_clock_ms() - o->fresh_ms < OWNER_FRESH_MS &&
	       !news_is_late(o);
}

bool owner_holds(const struct owner *o, int unit)
{
	return o->units[unit].state == UNIT_ACTING || o->units[unit].state == UNIT_YIELDING;
}

size_t owner_units(const struct owner *o)
{
	return count(o, UNIT_ACTING);
}

const char *owner_id(const struct owner *o)
{
	return o->id;
}

int64_t owner_epoch(const struct owner *o, int unit)
{
	return o->units[unit].epoch;
}

void owner_refused(struct owner *o, int unit, int64_t epoch)
{
	const struct unit *u = &o->units[unit];

	if (o->stopped || epoch != u->epoch || u->state == UNIT_FREE || u->state == UNIT_PAUSED)
		return;
	log_warn("owner.refused", log_int("unit", unit), log_int("epoch", epoch));
	broken(o, "somebody else owns what was ours");
}

/* --- the others ---------------------------------------------------------------------------------------- */

static bool is_self(const struct owner *o, const json_t *member)
{
	return strcmp(json_string_value(json_object_get(member, "owner")), o->id) == 0;
}

size_t owner_others(const struct owner *o)
{
	size_t n = json_array_size(o->members);

	return n > 0 ? n - 1 : 0;
}

bool owner_find(const struct owner *o, int unit, struct owner_peer *out)
{
	const json_t *owner = json_array_get(o->owners, (size_t)unit), *member;
	enum unit_state state = o->units[unit].state;
	size_t i;

	if (state != UNIT_FREE) {
		*out = (struct owner_peer){ o->id, o->url, true };
		return state == UNIT_ACTING;
	}
	json_array_foreach(o->members, i, member) {
		if (is_self(o, member) || !json_equal(json_object_get(member, "owner"), owner))
			continue;
		*out = (struct owner_peer){ json_string_value(owner),
					    json_string_value(json_object_get(member, "url")), false };
		return true;
	}
	return false;
}

void owner_each(const struct owner *o, void (*f)(void *arg, const struct owner_peer *peer), void *arg)
{
	const json_t *member;
	size_t i;

	json_array_foreach(o->members, i, member) {
		struct owner_peer peer = { json_string_value(json_object_get(member, "owner")),
					   json_string_value(json_object_get(member, "url")), false };
		if (!is_self(o, member))
			f(arg, &peer);
	}
}
