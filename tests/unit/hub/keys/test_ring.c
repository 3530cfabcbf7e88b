/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys on a PostgreSQL of their own: what is signed while the keys change, at instants that no
 * process from outside can hit.
 */
#include "hub/keys/keys.h"

#include "hub/postgres/postgres.h"
#include "hub/db/migrate.h"
#include "lib/ssf/jws.h"
#include "tests/unit/support/pg_dir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define AUDIENCE "https://receiver.example"
#define WAIT_MS 20000

static const struct key_schedule_conf rota = { 0, 3600 * 1000, 3600 * 1000 };

static char *server_dir;
static struct postgres *server;

struct fixture {
	char *database, *path;
	struct loop *loop;
	struct pool *pool;    /* mostly of one thread: who holds it up decides what is signed when */
	struct db *db;
	struct master_key *master;
	struct keys *keys;
	struct loop_timer *deadline;
	atomic_bool blocked;  /* the blocker runs */
	atomic_bool release;  /* and ends */
	bool ready, changed;
	unsigned gone;
	struct ssf_err err;   /* of the change */
	char signed_by[64];   /* kid of the last SET that came */
	char jti[64];
	size_t sets;
};

static int start_server(void **state)
{
	(void)state;
	server_dir = pg_dir_new();
	server = pg_dir_start(server_dir);
	return 0;
}

static int stop_server(void **state)
{
	(void)state;
	postgres_stop(server);
	pg_dir_remove(server_dir);
	return 0;
}

static void on_deadline(void *arg)
{
	(void)arg;
	fail_msg("not in time");
}

static void on_ready(void *arg)
{
	struct fixture *f = arg;

	f->ready = true;
	loop_stop(f->loop);
}

static void on_db_state(void *arg, bool up)
{
	(void)arg;
	(void)up;
}

static int set_up_threads(void **state, unsigned threads)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct ssf_err err;

	*state = f;
	pg_run(postgres_conninfo(server), "create database test");
	assert_true(asprintf(&f->database, "%s dbname=test", postgres_conninfo(server)) > 0);
	assert_true(asprintf(&f->path, "%s/test.key", server_dir) > 0);
	const struct db_conf conf = { .conninfo = f->database, .connections = 2, .queue_max = 100,
				      .timeout_ms = 10000 };
	if (migrate(f->database, 5000, &err) < 0 || loop_new(&f->loop, &err) < 0 ||
	    pool_new(f->loop, threads, 1000, &f->pool, &err) < 0 ||
	    db_new(f->loop, &conf, on_db_state, NULL, &f->db, &err) < 0 ||
	    master_key_open(f->path, &f->master, &err) < 0 ||
	    keys_new(f->loop, f->db, f->pool, f->master, &rota, "https://hub.example", on_ready, f,
		     &f->keys, &err) < 0)
		fail_msg("%s", err.msg);
	f->deadline = loop_timer_start(f->loop, WAIT_MS, on_deadline, NULL);
	loop_run(f->loop);
	assert_true(f->ready);
	return 0;
}

static int set_up(void **state)
{
	return set_up_threads(state, 1);
}

static int set_up_four(void **state)
{
	return set_up_threads(state, 4);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	atomic_store(&f->release, true); /* also of a test that has failed */
	loop_timer_cancel(f->deadline);
	keys_stop(f->keys);
	keys_free(f->keys);
	pool_free(f->pool);
	db_free(f->db);
	loop_free(f->loop);
	master_key_free(f->master);
	unlink(f->path);
	pg_run(postgres_conninfo(server), "drop database test with (force)");
	free(f->path);
	free(f->database);
	free(f);
	return 0;
}

/* --- doing things ------------------------------------------------------------------------- */

static void on_changed(void *arg, const json_t *keys, const struct ssf_err *err)
{
	struct fixture *f = arg;

	(void)keys;
	f->changed = true;
	f->err = err != NULL ? *err : (struct ssf_err){ .code = SSF_OK };
	loop_stop(f->loop);
}

static void finish_change(struct fixture *f, int started)
{
	assert_int_equal(started, 0);
	f->changed = false;
	loop_run(f->loop);
	assert_true(f->changed);
}

static void rotate_key(struct fixture *f, enum ssf_alg alg, bool now)
{
	finish_change(f, ring_rotate(keys_ring(f->keys), alg, now, on_changed, f, &f->err));
}

static void revoke_key(struct fixture *f, const char *kid)
{
	finish_change(f, ring_revoke(keys_ring(f->keys), kid, on_changed, f, &f->err));
}

static void signer(const struct fixture *f, enum ssf_alg alg, char out[64])
{
	const struct ssf_key *key = ring_signing(keys_ring(f->keys), alg);

	assert_non_null(key);
	snprintf(out, 64, "%s", ssf_key_kid(key));
}

static void on_signed(void *arg, struct ssf_str set, const struct ssf_err *err)
{
	struct fixture *f = arg;
	struct ssf_jws jws;
	json_auto_t *claims = NULL;

	if (err != NULL)
		fail_msg("%s", err->msg);
	assert_int_equal(ssf_jws_parse(set, &jws, NULL), 0);
	snprintf(f->signed_by, sizeof(f->signed_by), "%s", jws.kid);
	claims = json_loadb(jws.payload.ptr, jws.payload.len, 0, NULL);
	snprintf(f->jti, sizeof(f->jti), "%s", json_string_value(json_object_get(claims, "jti")));
	const struct ssf_key *key = keys_find(f->keys, ssf_str_c(jws.kid), jws.alg);
	assert_non_null(key);
	assert_int_equal(ssf_jws_verify(&jws, key, NULL), 0);
	ssf_jws_done(&jws);
	f->sets++;
	loop_stop(f->loop);
}

static struct keys_sign *sign_for(struct fixture *f, int64_t seq, const char *audience, enum ssf_alg alg)
{
	json_auto_t *subject = json_pack("{s:s, s:s}", "format", "opaque", "id", "x");
	json_auto_t *body = json_object();
	const struct event e = { .seq = seq, .at_ms = 1000, .txn = "txn", .sub_id = subject, .body = body,
				 .type = "https://schemas.openid.net/secevent/caep/event-type/session-revoked" };
	struct keys_sign *handle;
	struct ssf_err err;

	if (keys_sign_start(f->keys, &e, audience, alg, on_signed, f, &handle, &err) < 0)
		fail_msg("%s", err.msg);
	return handle;
}

static void sign(struct fixture *f, int64_t seq, enum ssf_alg alg)
{
	sign_for(f, seq, AUDIENCE, alg);
}

static void await_set(struct fixture *f)
{
	size_t before = f->sets;

	while (f->sets == before)
		loop_run(f->loop);
}

static void block(void *arg)
{
	struct fixture *f = arg;

	atomic_store(&f->blocked, true);
	while (!atomic_load(&f->release))
		usleep(1000);
}

static void unblocked(void *arg)
{
	(void)arg;
}

static void block_pool(struct fixture *f)
{
	const struct pool_work work = { block, unblocked, unblocked, f, false };
	struct pool_job *job;

	atomic_store(&f->release, false);
	atomic_store(&f->blocked, false);
	assert_int_equal(pool_submit(f->pool, &work, &job, NULL), 0);
	while (!atomic_load(&f->blocked)) /* what is submitted next must not be faster */
		usleep(100);
}

static void on_gone(void *arg)
{
	struct fixture *f = arg;

	f->gone++;
}

/* --- tests ---------------------------------------------------------------------------------- */

static void revoked_with_its_signature_in_the_pool(void **state)
{
	struct fixture *f = *state;
	char bad[64], good[64], jti[KEYS_JTI_LEN];

	signer(f, SSF_ALG_RS256, bad);
	rotate_key(f, SSF_ALG_RS256, false); /* one that waits: none has to be made in the pool */
	keys_listen(f->keys, on_gone, f);
	block_pool(f);
	sign(f, 7, SSF_ALG_RS256);
	revoke_key(f, bad);
	assert_int_equal(f->err.code, SSF_OK);
	assert_int_equal(f->gone, 1);
	assert_int_equal(keys_gone(f->keys), 1);
	assert_int_equal(f->sets, 0);
	signer(f, SSF_ALG_RS256, good);
	assert_string_not_equal(bad, good);
	atomic_store(&f->release, true);
	await_set(f);
	assert_string_equal(f->signed_by, good);
	keys_jti(f->keys, 7, AUDIENCE, jti);
	assert_string_equal(f->jti, jti);
	assert_null(keys_find(f->keys, ssf_str_c(bad), SSF_ALG_RS256));
}

static void revoked_between_start_and_signing(void **state)
{
	struct fixture *f = *state;
	char bad[64], good[64];

	signer(f, SSF_ALG_ES256, bad);
	rotate_key(f, SSF_ALG_ES256, false);
	/* the signature is made when the loop turns: here that is after the revocation has begun */
	assert_int_equal(ring_revoke(keys_ring(f->keys), bad, on_changed, f, &f->err), 0);
	sign(f, 7, SSF_ALG_ES256);
	f->changed = false;
	while (!f->changed || f->sets == 0)
		loop_run(f->loop);
	signer(f, SSF_ALG_ES256, good);
	sign(f, 7, SSF_ALG_ES256);
	await_set(f);
	assert_string_equal(f->signed_by, good);
	assert_string_not_equal(bad, good);
}

static void the_cache_is_of_the_key_that_signs(void **state)
{
	struct fixture *f = *state;
	char old[64], new[64], jti[64];

	signer(f, SSF_ALG_RS256, old);
	sign(f, 7, SSF_ALG_RS256);
	await_set(f);
	assert_string_equal(f->signed_by, old);
	snprintf(jti, sizeof(jti), "%s", f->jti);
	block_pool(f); /* from the cache: the pool is not asked */
	sign(f, 7, SSF_ALG_RS256);
	await_set(f);
	assert_string_equal(f->signed_by, old);
	atomic_store(&f->release, true);
	rotate_key(f, SSF_ALG_RS256, true);
	assert_non_null(keys_find(f->keys, ssf_str_c(old), SSF_ALG_RS256)); /* retired, not revoked */
	sign(f, 7, SSF_ALG_RS256);
	await_set(f);
	signer(f, SSF_ALG_RS256, new);
	assert_string_equal(f->signed_by, new);
	assert_string_not_equal(old, new);
	assert_string_equal(f->jti, jti);
}

static void what_we_say_at_once(void **state)
{
	struct fixture *f = *state;
	ssf_auto_buf token = SSF_BUF(4096);
	struct ssf_jws jws;
	char kid[64];

	signer(f, SSF_ALG_ES256, kid);
	assert_int_equal(keys_sign_now(f->keys, "at+jwt", ssf_str_c("{\"sub\":\"x\"}"), &token, NULL), 0);
	assert_int_equal(ssf_jws_parse(ssf_buf_str(&token), &jws, NULL), 0);
	assert_string_equal(jws.typ, "at+jwt");
	assert_string_equal(jws.kid, kid);
	assert_int_equal(ssf_jws_verify(&jws, keys_find(f->keys, ssf_str_c(kid), SSF_ALG_ES256), NULL), 0);
	ssf_jws_done(&jws);
	assert_null(keys_find(f->keys, ssf_str_c(kid), SSF_ALG_RS256)); /* a key has one algorithm */
	revoke_key(f, kid);
	assert_null(keys_find(f->keys, ssf_str_c(kid), SSF_ALG_ES256));
}

static void changes_wait_for_each_other_and_are_bounded(void **state)
{
	struct fixture *f = *state;
	struct ring *r = keys_ring(f->keys);
	struct ssf_err err = { .code = SSF_OK };
	size_t accepted = 0;

	while (accepted < 1000 && ring_rotate(r, SSF_ALG_ES256, false, on_changed, f, &err) == 0)
		accepted++;
	assert_int_equal(err.code, SSF_E_BUSY);
	assert_in_range(accepted, 1, 100);
	/* and whoever waits at the end is told */
	f->changed = false;
	keys_stop(f->keys);
	assert_true(f->changed);
	assert_int_equal(f->err.code, SSF_E_UNAVAILABLE);
	assert_int_equal(ring_rotate(r, SSF_ALG_ES256, false, on_changed, f, &err), -1);
	assert_int_equal(err.code, SSF_E_UNAVAILABLE);
}

/*
 * Four threads sign with a key that is taken away meanwhile; some signatures have several who wait,
 * some none any more. Every one that is told of is by a key that is published then (on_signed).
 */
static void four_threads_sign_while_keys_change(void **state)
{
	static const char *const audiences[] = { "https://a.example", "https://b.example", AUDIENCE };
	struct fixture *f = *state;
	size_t wanted = 0;
	char kid[64];

	rotate_key(f, SSF_ALG_RS256, false);
	signer(f, SSF_ALG_RS256, kid);
	for (int64_t i = 0; i < 600; i++) {
		struct keys_sign *s = sign_for(f, 1 + i / 6, audiences[i % 3], SSF_ALG_RS256);
		if (i % 5 == 4)
			keys_sign_cancel(s);
		else
			wanted++;
	}
	assert_int_equal(ring_revoke(keys_ring(f->keys), kid, on_changed, f, &f->err), 0);
	while (f->sets < wanted || !f->changed)
		loop_run(f->loop);
	assert_int_equal(f->sets, wanted);
	assert_int_equal(f->err.code, SSF_OK);
	assert_string_not_equal(f->signed_by, "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(revoked_with_its_signature_in_the_pool),
		TEST(revoked_between_start_and_signing),
		TEST(the_cache_is_of_the_key_that_signs),
		TEST(what_we_say_at_once),
		TEST(changes_wait_for_each_other_and_are_bounded),
		cmocka_unit_test_setup_teardown(four_threads_sign_while_keys_change, set_up_four, tear_down),
	};

	return cmocka_run_group_tests(tests, start_server, stop_server);
}
