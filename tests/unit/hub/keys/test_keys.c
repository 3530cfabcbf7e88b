/* SPDX-License-Identifier: Apache-2.0 */
/* The jti, which needs no database; signing is tested end to end. */
#include "hub/keys/keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
	char dir[64], path[96];
	struct loop *loop;
	struct pool *pool;
	struct db *db;
	struct master_key *master;
	struct keys *keys;
};

static void ready(void *arg)
{
	(void)arg;
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const struct db_conf conf = { .conninfo = "host=/nowhere", .connections = 1, .queue_max = 10,
				      .timeout_ms = 1000 };
	const struct key_schedule_conf rota = { 0, 1000, 1000 };
	struct ssf_err err;

	*state = f;
	snprintf(f->dir, sizeof(f->dir), "/tmp/keys_test.XXXXXX");
	if (mkdtemp(f->dir) == NULL)
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/master.key", f->dir);
	if (loop_new(&f->loop, &err) < 0 || pool_new(f->loop, 1, 10, &f->pool, &err) < 0 ||
	    db_new(f->loop, &conf, NULL, NULL, &f->db, &err) < 0 ||
	    master_key_open(f->path, &f->master, &err) < 0)
		return -1;
	return keys_new(f->loop, f->db, f->pool, f->master, &rota, "https://hub.example", ready, NULL,
			&f->keys, &err);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	keys_free(f->keys);
	pool_free(f->pool);
	db_free(f->db);
	loop_free(f->loop);
	master_key_free(f->master);
	unlink(f->path);
	rmdir(f->dir);
	free(f);
	return 0;
}

static void jti_names_its_event_and_audience(void **state)
{
	struct fixture *f = *state;
	static const int64_t seqs[] = { 1, 2, 255, 256, 1LL << 40, INT64_MAX };
	char jti[KEYS_JTI_LEN], again[KEYS_JTI_LEN], other[KEYS_JTI_LEN];

	for (size_t i = 0; i < SSF_ARRAY_SIZE(seqs); i++) {
		int64_t seq = 0;
		keys_jti(f->keys, seqs[i], "https://a.example", jti);
		keys_jti(f->keys, seqs[i], "https://a.example", again);
		keys_jti(f->keys, seqs[i], "https://b.example", other);
		assert_int_equal(strlen(jti), KEYS_JTI_LEN - 1);
		assert_string_equal(jti, again);
		assert_string_not_equal(jti, other);
		assert_int_equal(keys_jti_seq(f->keys, ssf_str_c(jti), "https://a.example", &seq), 0);
		assert_true(seq == seqs[i]);
		/* another client's jti acknowledges nothing of ours */
		assert_int_equal(keys_jti_seq(f->keys, ssf_str_c(jti), "https://b.example", &seq), -1);
	}
}

static void made_up_jtis_are_refused(void **state)
{
	static const char *const bad[] = { "", "x", "AAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAAA",
					   "!!!!!!!!!!!!!!!!!!!!!!", "4d3559ec67504aaba65d40b0363faad8" };
	struct fixture *f = *state;
	char jti[KEYS_JTI_LEN];
	int64_t seq;

	for (size_t i = 0; i < SSF_ARRAY_SIZE(bad); i++)
		assert_int_equal(keys_jti_seq(f->keys, ssf_str_c(bad[i]), "https://a.example", &seq), -1);
	keys_jti(f->keys, 7, "https://a.example", jti);
	for (size_t i = 0; i < KEYS_JTI_LEN - 2; i++) {
		char was = jti[i];
		jti[i] = was == 'A' ? 'B' : 'A';
		assert_int_equal(keys_jti_seq(f->keys, ssf_str_c(jti), "https://a.example", &seq), -1);
		jti[i] = was;
	}
}

/* The database is not there: no key is, and nothing is signed with what is not. */
static void without_a_key_nothing_is_signed(void **state)
{
	struct fixture *f = *state;
	ssf_auto_buf out = SSF_BUF(1024);
	struct ssf_err err = { 0 };

	assert_int_equal(keys_sign_now(f->keys, "at+jwt", ssf_str_c("{}"), &out, &err), -1);
	assert_int_equal(err.code, SSF_E_UNAVAILABLE);
	assert_int_equal(out.len, 0);
	assert_null(keys_find(f->keys, ssf_str_c("x"), SSF_ALG_ES256));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(jti_names_its_event_and_audience, set_up, tear_down),
		cmocka_unit_test_setup_teardown(made_up_jtis_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(without_a_key_nothing_is_signed, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
