/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owners on a PostgreSQL of their own: two of them in one loop, as two processes would be. At no
 * time do both act for a unit.
 */
#include "hub/cluster/owner.h"

#include "hub/postgres/postgres.h"
#include "hub/db/migrate.h"
#include "lib/ssf/attr.h"
#include "lib/ssf/buf.h"
#include "tests/unit/support/pg_dir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WAIT_MS 60000
#define HALF ((OWNER_UNITS + 1) / 2)

static char *server_dir;
static struct postgres *server;

struct party {
	struct fixture *f;
	struct owner *owner;
	bool acts[OWNER_UNITS];
	bool paused[OWNER_UNITS];
	size_t acting, pauses, losses, kept, yields;
	bool ready, left, settled;
	bool holds_yields, holds_news;
	int64_t asked[OWNER_NUMBERED]; /* news that were told of */
	size_t events;
};

struct fixture {
	char *database;
	struct loop *loop;
	struct loop_tick *tick;
	int64_t until_ms;
	bool (*done)(const struct fixture *f);
	struct party a, b;
};

static int start_server(void **state)
{
	(void)state;
	char *model;
	struct ssf_err err;

	server_dir = pg_dir_new();
	server = pg_dir_start(server_dir);
	pg_run(postgres_conninfo(server), "create database model");
	assert_true(asprintf(&model, "%s dbname=model", postgres_conninfo(server)) > 0);
	if (migrate(model, 5000, &err) < 0)
		fail_msg("%s", err.msg);
	free(model);
	return 0;
}

static int stop_server(void **state)
{
	(void)state;
	postgres_stop(server);
	pg_dir_remove(server_dir);
	return 0;
}

/* --- what an owner tells ------------------------------------------------------------------------- */

static void on_taken(void *arg, int unit, bool kept)
{
	struct party *p = arg;
	const struct party *other = p == &p->f->a ? &p->f->b : &p->f->a;

	assert_false(p->acts[unit]);
	assert_false(other->acts[unit]);
	assert_int_equal(kept, p->paused[unit]);
	p->paused[unit] = false;
	p->acts[unit] = true;
	p->acting++;
	p->kept += kept;
}

static void stop_acting(struct party *p, int unit)
{
	p->acting -= p->acts[unit];
	p->acts[unit] = false;
}

static void on_paused(void *arg, int unit)
{
	struct party *p = arg;

	p->pauses++;
	p->paused[unit] = true;
	stop_acting(p, unit);
}

static void on_lost(void *arg, int unit)
{
	struct party *p = arg;

	p->losses++;
	p->paused[unit] = false;
	stop_acting(p, unit);
}

static void on_yield(void *arg, int unit)
{
	struct party *p = arg;

	p->yields++;
	stop_acting(p, unit);
	if (!p->holds_yields)
		owner_yielded(p->owner, unit);
}

static const struct owner_hooks hooks = { on_taken, on_paused, on_lost, on_yield };

static void on_ready(void *arg)
{
	struct party *p = arg;

	p->ready = true;
}

static void on_news(void *arg, enum owner_news what, int64_t n)
{
	struct party *p = arg;

	if (what == OWNER_EVENTS) {
		p->events++;
		return;
	}
	if (n > p->asked[what])
		p->asked[what] = n;
	if (!p->holds_news && n > 0)
		owner_applied(p->owner, what, n);
}

static void on_left(void *arg)
{
	struct party *p = arg;

	p->left = true;
}

static void on_settled(void *arg)
{
	struct party *p = arg;

	p->settled = true;
}

/* --- two of them ---------------------------------------------------------------------------------- */

static void on_tick(void *arg)
{
	struct fixture *f = arg;

	if (f->done(f))
		loop_stop(f->loop);
	else if (loop_now_ms() > f->until_ms)
		fail_msg("not in time");
}

static void run_until(struct fixture *f, bool (*done)(const struct fixture *f))
{
	f->done = done;
	f->until_ms = loop_now_ms() + WAIT_MS;
	loop_run(f->loop);
}

static void open_party(struct fixture *f, struct party *p)
{
	const struct owner_conf conf = { f->database, 10000, p == &f->a ? "http://a" : "http://b",
					 on_ready, on_news, p };
	struct ssf_err err;

	p->f = f;
	if (owner_new(f->loop, &conf, &p->owner, &err) < 0)
		fail_msg("%s", err.msg);
	owner_attend(p->owner, 0, OWNER_UNITS, &hooks, p);
	owner_start(p->owner);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct ssf_err err;

	*state = f;
	pg_run(postgres_conninfo(server), "create database test template model");
	assert_true(asprintf(&f->database, "%s dbname=test", postgres_conninfo(server)) > 0);
	if (loop_new(&f->loop, &err) < 0)
		fail_msg("%s", err.msg);
	f->tick = loop_tick_start(f->loop, 5, on_tick, f);
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	owner_free(f->a.owner);
	owner_free(f->b.owner);
	loop_tick_cancel(f->tick);
	loop_free(f->loop);
	pg_run(postgres_conninfo(server), "drop database test with (force)");
	free(f->database);
	free(f);
	return 0;
}

static bool a_has_all(const struct fixture *f)
{
	return f->a.ready && f->a.acting == OWNER_UNITS;
}

static bool b_has_all(const struct fixture *f)
{
	return f->b.acting == OWNER_UNITS;
}

static bool halves(const struct fixture *f)
{
	return f->a.acting + f->b.acting == OWNER_UNITS && f->a.acting <= HALF && f->b.acting <= HALF;
}

static void kill_session(struct fixture *f, const struct party *p)
{
	char sql[400];

	snprintf(sql, sizeof(sql),
		 "select pg_terminate_backend(l.pid, 5000) from member m join owner_lock l on l.id = m.number"
		 " and l.class = 7236522 where m.owner = '%s'",
		 owner_id(p->owner));
	pg_run(f->database, sql);
}

/* Whether a write for a unit would be taken. */
static bool may_write(const struct fixture *f, const struct party *p, int unit, int64_t epoch)
{
	char sql[400];
	ssf_auto_free char *text = NULL;

	snprintf(sql, sizeof(sql),
		 "select count(*) from unit u where u.id = %d and u.owner = '%s' and u.epoch = %lld", unit,
		 owner_id(p->owner), (long long)epoch);
	text = pg_ask(f->database, sql);
	return strcmp(text, "1") == 0;
}

static void one_takes_all_and_two_share(void **state)
{
	struct fixture *f = *state;

	open_party(f, &f->a);
	run_until(f, a_has_all);
	assert_int_equal(owner_others(f->a.owner), 0);
	open_party(f, &f->b);
	run_until(f, halves);
	assert_true(f->b.ready);
	/* the rules stay where they are */
	assert_true(owner_acts(f->a.owner, OWNER_RULES));
	for (int i = 0; i < OWNER_UNITS; i++)
		assert_true(may_write(f, f->a.acts[i] ? &f->a : &f->b, i,
				      owner_epoch(f->a.acts[i] ? f->a.owner : f->b.owner, i)));
}

static bool a_knows_b(const struct fixture *f)
{
	struct owner_peer peer;

	for (int i = 0; i < OWNER_UNITS; i++) {
		if (!owner_find(f->a.owner, i, &peer) || peer.self != f->a.acts[i] ||
		    strcmp(peer.url, f->a.acts[i] ? "http://a" : "http://b") != 0)
			return false;
	}
	return halves(f);
}

static void each_knows_who_has_what(void **state)
{
	struct fixture *f = *state;

	open_party(f, &f->a);
	open_party(f, &f->b);
	run_until(f, a_knows_b);
}

static void one_that_is_gone_is_followed(void **state)
{
	struct fixture *f = *state;
	int64_t began;

	open_party(f, &f->a);
	open_party(f, &f->b);
	run_until(f, halves);
	began = loop_now_ms();
	owner_free(f->a.owner); /* as when the process dies: nothing is handed over */
	f->a.owner = NULL;
	memset(f->a.acts, 0, sizeof(f->a.acts));
	run_until(f, b_has_all);
	assert_true(loop_now_ms() - began < 10000); /* 1 s on an idle machine */
}

static bool a_is_paused(const struct fixture *f)
{
	return f->a.pauses > 0;
}

/* Its session ends and it lives on: what the other takes meanwhile it may not write any more. */
static void one_that_lost_its_session_is_fenced(void **state)
{
	struct fixture *f = *state;
	int64_t epochs[OWNER_UNITS];
	bool had[OWNER_UNITS];
	size_t held = 0, refused = 0;

	open_party(f, &f->a);
	open_party(f, &f->b);
	run_until(f, halves);
	memcpy(had, f->a.acts, sizeof(had));
	for (int i = 0; i < OWNER_UNITS; i++)
		epochs[i] = owner_epoch(f->a.owner, i);
	owner_stop(f->a.owner); /* it does not come back by itself, and has lost its locks */
	memset(f->a.acts, 0, sizeof(f->a.acts));
	run_until(f, b_has_all);
	for (int i = 0; i < OWNER_UNITS; i++) {
		held += had[i];
		refused += had[i] && !may_write(f, &f->a, i, epochs[i]);
	}
	assert_true(held >= OWNER_UNITS - HALF);
	assert_int_equal(refused, held);
}

static bool a_is_back(const struct fixture *f)
{
	return f->a.pauses == OWNER_UNITS && f->a.acting == OWNER_UNITS;
}

static void what_nobody_took_meanwhile_is_kept(void **state)
{
	struct fixture *f = *state;
	int64_t epoch;

	open_party(f, &f->a);
	run_until(f, a_has_all);
	epoch = owner_epoch(f->a.owner, 3);
	kill_session(f, &f->a);
	run_until(f, a_is_paused);
	assert_int_equal(f->a.pauses, OWNER_UNITS);
	assert_false(owner_acts(f->a.owner, 3));
	run_until(f, a_is_back);
	assert_int_equal(f->a.kept, OWNER_UNITS);
	assert_int_equal(f->a.losses, 0);
	assert_int_equal(owner_epoch(f->a.owner, 3), epoch + 1);
	assert_false(may_write(f, &f->a, 3, epoch));
	assert_true(may_write(f, &f->a, 3, epoch + 1));
}

/* A refused write is about the epoch that it was made under: an old one says nothing of today's. */
static void a_refused_write_ends_the_session(void **state)
{
	struct fixture *f = *state;

	open_party(f, &f->a);
	run_until(f, a_has_all);
	owner_refused(f->a.owner, 3, owner_epoch(f->a.owner, 3) - 1);
	assert_int_equal(f->a.pauses, 0);
	owner_refused(f->a.owner, 3, owner_epoch(f->a.owner, 3));
	assert_int_equal(f->a.pauses, OWNER_UNITS);
	run_until(f, a_is_back);
}

static bool a_left(const struct fixture *f)
{
	return f->a.left;
}

static void one_that_leaves_hands_over(void **state)
{
	struct fixture *f = *state;

	open_party(f, &f->a);
	open_party(f, &f->b);
	run_until(f, halves);
	f->a.holds_yields = true;
	owner_leave(f->a.owner, on_left, &f->a);
	assert_int_equal(f->a.acting, 0); /* it begins nothing more at once */
	for (int i = 0; i < OWNER_UNITS; i++) {
		if (owner_epoch(f->a.owner, i) > 0)
			owner_yielded(f->a.owner, i);
	}
	assert_false(f->a.left);
	run_until(f, a_left);
	run_until(f, b_has_all);
	assert_int_equal(f->a.pauses, 0);
}

/* What it acquires at that moment goes back, too: nobody would have it until the process is gone. */
static void one_that_leaves_hands_over_what_it_is_acquiring(void **state)
{
	struct fixture *f = *state;
	size_t losses;

	open_party(f, &f->a);
	open_party(f, &f->b);
	run_until(f, a_knows_b); /* and asks nothing at the moment */
	kill_session(f, &f->b); /* its units are free now */
	owner_free(f->b.owner);
	f->b.owner = NULL;
	memset(f->b.acts, 0, sizeof(f->b.acts));
	losses = f->a.losses;
	owner_look(f->a.owner);
	owner_leave(f->a.owner, on_left, &f->a);
	run_until(f, a_left);
	assert_int_equal(f->a.losses - losses, OWNER_UNITS); /* those of the other had come, too */
	assert_int_equal(f->a.pauses, 0);
}

static bool a_is_up(const struct fixture *f)
{
	return owner_is_up(f->a.owner);
}

/* Paused, and taken again while there are changes to be learnt of first. */
static void wait_for_changes(struct fixture *f)
{
	open_party(f, &f->a);
	run_until(f, a_has_all);
	f->a.holds_news = true;
	pg_run(f->database, "select write_resources('[{\"kind\":\"person\",\"id\":\"p\",\"spec\":{},"
			    "\"actor\":\"test\"}]', null)");
	kill_session(f, &f->a);
	run_until(f, a_is_paused);
	run_until(f, a_is_up);
	assert_int_equal(f->a.acting, 0);
}

/* What was not saved before the session broke is saved by whoever attends to the unit. */
static void one_that_leaves_before_it_acts_again_saves_first(void **state)
{
	struct fixture *f = *state;

	wait_for_changes(f);
	owner_leave(f->a.owner, on_left, &f->a);
	assert_int_equal(f->a.yields, OWNER_UNITS);
	run_until(f, a_left);
}

static bool a_is_down(const struct fixture *f)
{
	return !owner_is_up(f->a.owner);
}

static void what_is_lost_twice_before_it_acts_is_kept(void **state)
{
	struct fixture *f = *state;

	wait_for_changes(f);
	kill_session(f, &f->a);
	run_until(f, a_is_down);
	run_until(f, a_is_up);
	owner_applied(f->a.owner, OWNER_CHANGES, 1);
	assert_int_equal(f->a.acting, OWNER_UNITS);
	assert_int_equal(f->a.kept, OWNER_UNITS);
	assert_int_equal(f->a.losses, 0);
}

/* --- news ------------------------------------------------------------------------------------------ */

static bool a_took(const struct fixture *f)
{
	return f->a.asked[OWNER_CHANGES] > 0;
}

/* What had changed before a unit was acquired has to be known before anything is done for it. */
static void nothing_is_done_before_changes_are_known(void **state)
{
	struct fixture *f = *state;

	pg_run(f->database, "select write_resources('[{\"kind\":\"person\",\"id\":\"p\",\"spec\":{},"
			    "\"actor\":\"test\"}]', null)");
	f->a.holds_news = true;
	open_party(f, &f->a);
	run_until(f, a_took);
	assert_int_equal(f->a.asked[OWNER_CHANGES], 1);
	assert_int_equal(f->a.acting, 0);
	assert_false(f->a.ready);
	owner_applied(f->a.owner, OWNER_KEYS, f->a.asked[OWNER_KEYS]);
	assert_int_equal(f->a.acting, 0);
	owner_applied(f->a.owner, OWNER_CHANGES, 1);
	assert_int_equal(f->a.acting, OWNER_UNITS);
	assert_true(f->a.ready);
}

static bool a_settled(const struct fixture *f)
{
	return f->a.settled;
}

static bool b_heard(const struct fixture *f)
{
	return f->b.asked[OWNER_CHANGES] > 0 || f->b.events > 1;
}

static void a_change_settles_when_all_have_it(void **state)
{
	struct fixture *f = *state;
	struct owner_wait *wait;
	struct ssf_err err;

	open_party(f, &f->a);
	open_party(f, &f->b);
	run_until(f, a_knows_b);
	f->b.holds_news = true;
	pg_run(f->database, "select write_resources('[{\"kind\":\"person\",\"id\":\"p\",\"spec\":{},"
			    "\"actor\":\"test\"}]', null)");
	owner_applied(f->a.owner, OWNER_CHANGES, 1);
	assert_int_equal(owner_settle_start(f->a.owner, OWNER_CHANGES, 1, on_settled, &f->a, &wait, &err), 0);
	run_until(f, b_heard);
	assert_false(f->a.settled);
	owner_applied(f->b.owner, OWNER_CHANGES, 1);
	run_until(f, a_settled);
}

/* Who does not take a change over has stopped to act by the time that it is not waited for any more. */
static void a_change_settles_without_who_is_stuck(void **state)
{
	struct fixture *f = *state;
	struct owner_wait *wait;
	struct ssf_err err;

	open_party(f, &f->a);
	open_party(f, &f->b);
	run_until(f, a_knows_b);
	f->b.holds_news = true;
	pg_run(f->database, "select write_resources('[{\"kind\":\"person\",\"id\":\"p\",\"spec\":{},"
			    "\"actor\":\"test\"}]', null)");
	owner_applied(f->a.owner, OWNER_CHANGES, 1);
	assert_int_equal(owner_settle_start(f->a.owner, OWNER_CHANGES, 1, on_settled, &f->a, &wait, &err), 0);
	run_until(f, a_settled);
	for (int i = 0; i < OWNER_UNITS; i++)
		assert_false(owner_acts(f->b.owner, i));
	assert_true(f->b.acting > 0);
}

static void shards_are_those_of_the_database(void **state)
{
	struct fixture *f = *state;
	char sql[100], name[20];

	for (int i = 0; i < 100; i++) {
		ssf_auto_free char *text = NULL;
		snprintf(name, sizeof(name), "stream-%d", i * i);
		snprintf(sql, sizeof(sql), "select shard_of('%s')", name);
		text = pg_ask(f->database, sql);
		assert_int_equal(strtol(text, NULL, 10), owner_shard(name));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_takes_all_and_two_share, set_up, tear_down),
		cmocka_unit_test_setup_teardown(each_knows_who_has_what, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_that_is_gone_is_followed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_that_lost_its_session_is_fenced, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_nobody_took_meanwhile_is_kept, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_refused_write_ends_the_session, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_that_leaves_hands_over, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_that_leaves_hands_over_what_it_is_acquiring, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_that_leaves_before_it_acts_again_saves_first, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_lost_twice_before_it_acts_is_kept, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nothing_is_done_before_changes_are_known, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_change_settles_when_all_have_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_change_settles_without_who_is_stuck, set_up, tear_down),
		cmocka_unit_test_setup_teardown(shards_are_those_of_the_database, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, start_server, stop_server);
}
