/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/hub/keys/keys_fixture.h"

#include "hub/db/migrate.h"
#include "hub/postgres/postgres.h"
#include "tests/unit/support/pg_dir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define WAIT_MS 60000

static const struct key_schedule_conf schedule = { 0, 3600 * 1000, 3600 * 1000 };

static char *server_dir;
static struct postgres *server;

int keys_fixture_start_server(void **state)
{
	(void)state;
	server_dir = pg_dir_new();
	server = pg_dir_start(server_dir);
	return 0;
}

int keys_fixture_stop_server(void **state)
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
	struct keys_fixture *f = arg;

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
	struct keys_fixture *f = calloc(1, sizeof(*f));
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
	    keyring_new(f->master, &schedule, &f->keyring, &err) < 0)
		fail_msg("%s", err.msg);
	const struct key_manager_deps manager = { f->loop, f->db, f->pool, f->master, NULL, f->keyring };
	const struct set_signer_deps signer = { f->loop, f->pool, f->keyring, f->master,
						"https://hub.example" };
	if (key_manager_new(&manager, on_ready, f, &f->manager, &err) < 0 ||
	    set_signer_new(&signer, &f->signer, &err) < 0)
		fail_msg("%s", err.msg);
	f->deadline = loop_timer_start(f->loop, WAIT_MS, on_deadline, NULL);
	loop_run(f->loop);
	assert_true(f->ready);
	return 0;
}

int keys_fixture_set_up(void **state)
{
	return set_up_threads(state, 1);
}

int keys_fixture_set_up_four_threads(void **state)
{
	return set_up_threads(state, 4);
}

int keys_fixture_tear_down(void **state)
{
	struct keys_fixture *f = *state;

	atomic_store(&f->release, true); /* also after a test that has failed */
	loop_timer_cancel(f->deadline);
	set_signer_stop(f->signer);
	key_manager_stop(f->manager);
	set_signer_free(f->signer);
	key_manager_free(f->manager);
	keyring_free(f->keyring);
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

void keys_fixture_on_changed(void *arg, const json_t *keys, const struct ssf_err *err)
{
	struct keys_fixture *f = arg;

	f->changed = true;
	f->changed_keys = json_array_size(keys);
	f->err = err != NULL ? *err : (struct ssf_err){ .code = SSF_OK };
	loop_stop(f->loop);
}

static void finish_change(struct keys_fixture *f, int started)
{
	assert_int_equal(started, 0);
	f->changed = false;
	loop_run(f->loop);
	assert_true(f->changed);
}

void keys_fixture_rotate(struct keys_fixture *f, enum ssf_alg alg, bool now)
{
	finish_change(f, key_manager_rotate(f->manager, alg, now, keys_fixture_on_changed, f, &f->err));
}

void keys_fixture_revoke(struct keys_fixture *f, const char *kid)
{
	finish_change(f, key_manager_revoke(f->manager, kid, keys_fixture_on_changed, f, &f->err));
}

void keys_fixture_signing_kid(const struct keys_fixture *f, enum ssf_alg alg, char out[64])
{
	const struct ssf_key *key = keyring_signing_key(f->keyring, alg);

	assert_non_null(key);
	snprintf(out, 64, "%s", ssf_key_kid(key));
}
