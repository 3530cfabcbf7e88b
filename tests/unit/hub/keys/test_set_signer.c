/* SPDX-License-Identifier: Apache-2.0 */
/* What is signed while the keys change, at instants that no process from outside can hit. */
#include "lib/ssf/jws.h"
#include "tests/unit/hub/keys/keys_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define AUDIENCE "https://receiver.example"

/* --- doing things ------------------------------------------------------------------------- */

static void on_signed(void *arg, struct ssf_str set, const struct ssf_err *err)
{
	struct keys_fixture *f = arg;
	struct ssf_jws jws;
	json_auto_t *claims = NULL;

	if (err != NULL && f->expect_failure) {
		f->failures++;
		return;
	}
	if (err != NULL)
		fail_msg("%s", err->msg);
	assert_int_equal(ssf_jws_parse(set, &jws, NULL), 0);
	snprintf(f->signed_by, sizeof(f->signed_by), "%s", jws.kid);
	claims = json_loadb(jws.payload.ptr, jws.payload.len, 0, NULL);
	snprintf(f->jti, sizeof(f->jti), "%s", json_string_value(json_object_get(claims, "jti")));
	const struct ssf_key *key = keyring_find(f->keyring, ssf_str_c(jws.kid), jws.alg);
	assert_non_null(key);
	assert_int_equal(ssf_jws_verify(&jws, key, NULL), 0);
	ssf_jws_done(&jws);
	f->sets++;
	loop_stop(f->loop);
}

static struct set_signer_wait *sign_for(struct keys_fixture *f, int64_t seq, const char *audience, enum ssf_alg alg)
{
	json_auto_t *subject = json_pack("{s:s, s:s}", "format", "opaque", "id", "x");
	json_auto_t *body = json_object();
	const struct event e = { .seq = seq, .at_ms = 1000, .txn = "txn", .sub_id = subject, .body = body,
				 .type = "https://schemas.openid.net/secevent/caep/event-type/session-revoked" };
	const struct set_request request = { &e, audience, alg };
	struct set_signer_wait *handle;
	struct ssf_err err;

	if (set_signer_start(f->signer, &request, on_signed, f, &handle, &err) < 0)
		fail_msg("%s", err.msg);
	return handle;
}

static void sign(struct keys_fixture *f, int64_t seq, enum ssf_alg alg)
{
	sign_for(f, seq, AUDIENCE, alg);
}

static void await_set(struct keys_fixture *f)
{
	size_t before = f->sets;

	while (f->sets == before)
		loop_run(f->loop);
}

static void block(void *arg)
{
	struct keys_fixture *f = arg;

	atomic_store(&f->blocked, true);
	while (!atomic_load(&f->release))
		usleep(1000);
}

static void unblocked(void *arg)
{
	(void)arg;
}

static void block_pool(struct keys_fixture *f)
{
	const struct pool_work work = { block, unblocked, unblocked, f, false };
	struct pool_job *job;

	atomic_store(&f->release, false);
	atomic_store(&f->blocked, false);
	assert_int_equal(pool_submit(f->pool, &work, &job, NULL), 0);
	while (!atomic_load(&f->blocked)) /* the next job must not overtake this one */
		usleep(100);
}

static void on_removed(void *arg)
{
	struct keys_fixture *f = arg;

	f->removals++;
}

/* --- tests ---------------------------------------------------------------------------------- */

static void revoked_with_its_signature_in_the_pool(void **state)
{
	struct keys_fixture *f = *state;
	char bad[64], good[64], jti[JTI_LEN];

	keys_fixture_signing_kid(f, SSF_ALG_RS256, bad);
	keys_fixture_rotate(f, SSF_ALG_RS256, false); /* one that waits: none has to be made in the pool */
	keyring_on_removed(f->keyring, on_removed, f);
	block_pool(f);
	sign(f, 7, SSF_ALG_RS256);
	keys_fixture_revoke(f, bad);
	assert_int_equal(f->err.code, SSF_OK);
	assert_int_equal(f->removals, 1);
	assert_int_equal(keyring_removals(f->keyring), 1);
	assert_int_equal(f->sets, 0);
	keys_fixture_signing_kid(f, SSF_ALG_RS256, good);
	assert_string_not_equal(bad, good);
	atomic_store(&f->release, true);
	await_set(f);
	assert_string_equal(f->signed_by, good);
	set_signer_jti(f->signer, 7, AUDIENCE, jti);
	assert_string_equal(f->jti, jti);
	assert_null(keyring_find(f->keyring, ssf_str_c(bad), SSF_ALG_RS256));
}

static void revoked_between_start_and_signing(void **state)
{
	struct keys_fixture *f = *state;
	char bad[64], good[64];

	keys_fixture_signing_kid(f, SSF_ALG_ES256, bad);
	keys_fixture_rotate(f, SSF_ALG_ES256, false);
	/* the signature is made when the loop turns: here that is after the revocation has begun */
	assert_int_equal(key_manager_revoke(f->manager, bad, keys_fixture_on_changed, f, &f->err), 0);
	sign(f, 7, SSF_ALG_ES256);
	f->changed = false;
	while (!f->changed || f->sets == 0)
		loop_run(f->loop);
	keys_fixture_signing_kid(f, SSF_ALG_ES256, good);
	sign(f, 7, SSF_ALG_ES256);
	await_set(f);
	assert_string_equal(f->signed_by, good);
	assert_string_not_equal(bad, good);
}

static void a_cached_set_is_used_only_while_its_key_signs(void **state)
{
	struct keys_fixture *f = *state;
	char old[64], new[64], jti[64];

	keys_fixture_signing_kid(f, SSF_ALG_RS256, old);
	sign(f, 7, SSF_ALG_RS256);
	await_set(f);
	assert_string_equal(f->signed_by, old);
	snprintf(jti, sizeof(jti), "%s", f->jti);
	block_pool(f); /* from the cache: the pool is not asked */
	sign(f, 7, SSF_ALG_RS256);
	await_set(f);
	assert_string_equal(f->signed_by, old);
	atomic_store(&f->release, true);
	keys_fixture_rotate(f, SSF_ALG_RS256, true);
	assert_non_null(keyring_find(f->keyring, ssf_str_c(old), SSF_ALG_RS256)); /* retired, not revoked */
	sign(f, 7, SSF_ALG_RS256);
	await_set(f);
	keys_fixture_signing_kid(f, SSF_ALG_RS256, new);
	assert_string_equal(f->signed_by, new);
	assert_string_not_equal(old, new);
	assert_string_equal(f->jti, jti);
}

static void the_keyring_signs_at_once(void **state)
{
	struct keys_fixture *f = *state;
	ssf_auto_buf token = SSF_BUF(4096);
	struct ssf_jws jws;
	char kid[64];

	keys_fixture_signing_kid(f, SSF_ALG_ES256, kid);
	assert_int_equal(keyring_sign(f->keyring, "at+jwt", ssf_str_c("{\"sub\":\"x\"}"), &token, NULL), 0);
	assert_int_equal(ssf_jws_parse(ssf_buf_str(&token), &jws, NULL), 0);
	assert_string_equal(jws.typ, "at+jwt");
	assert_string_equal(jws.kid, kid);
	assert_int_equal(ssf_jws_verify(&jws, keyring_find(f->keyring, ssf_str_c(kid), SSF_ALG_ES256), NULL), 0);
	ssf_jws_done(&jws);
	assert_null(keyring_find(f->keyring, ssf_str_c(kid), SSF_ALG_RS256)); /* a key has one algorithm */
	keys_fixture_revoke(f, kid);
	assert_null(keyring_find(f->keyring, ssf_str_c(kid), SSF_ALG_ES256));
}

static void a_stopped_signer_answers_everything_and_takes_no_more(void **state)
{
	struct keys_fixture *f = *state;
	const struct event e = { .seq = 1 };
	const struct set_request request = { &e, AUDIENCE, SSF_ALG_RS256 };
	struct set_signer_wait *handle;
	struct ssf_err err;

	block_pool(f);
	f->expect_failure = true;
	sign(f, 7, SSF_ALG_RS256);
	sign(f, 7, SSF_ALG_RS256);
	sign(f, 8, SSF_ALG_ES256);
	set_signer_stop(f->signer);
	assert_int_equal(f->failures, 3);
	assert_int_equal(set_signer_start(f->signer, &request, on_signed, f, &handle, &err), -1);
	assert_int_equal(err.code, SSF_E_UNAVAILABLE);
	atomic_store(&f->release, true);
}

/*
 * Four threads sign with a key that is revoked meanwhile. Some signatures have several requests waiting,
 * some have none left. Every SET that is delivered is signed by a key that is published then (on_signed).
 */
static void four_threads_sign_while_keys_change(void **state)
{
	static const char *const audiences[] = { "https://a.example", "https://b.example", AUDIENCE };
	struct keys_fixture *f = *state;
	size_t wanted = 0;
	char kid[64];

	keys_fixture_rotate(f, SSF_ALG_RS256, false);
	keys_fixture_signing_kid(f, SSF_ALG_RS256, kid);
	for (int64_t i = 0; i < 600; i++) {
		struct set_signer_wait *s = sign_for(f, 1 + i / 6, audiences[i % 3], SSF_ALG_RS256);
		if (i % 5 == 4)
			set_signer_cancel(s);
		else
			wanted++;
	}
	assert_int_equal(key_manager_revoke(f->manager, kid, keys_fixture_on_changed, f, &f->err), 0);
	while (f->sets < wanted || !f->changed)
		loop_run(f->loop);
	assert_int_equal(f->sets, wanted);
	assert_int_equal(f->err.code, SSF_OK);
	assert_string_not_equal(f->signed_by, "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, keys_fixture_set_up, keys_fixture_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(revoked_with_its_signature_in_the_pool),
		TEST(revoked_between_start_and_signing),
		TEST(a_cached_set_is_used_only_while_its_key_signs),
		TEST(the_keyring_signs_at_once),
		TEST(a_stopped_signer_answers_everything_and_takes_no_more),
		cmocka_unit_test_setup_teardown(four_threads_sign_while_keys_change, keys_fixture_set_up_four_threads,
						keys_fixture_tear_down),
	};

	return cmocka_run_group_tests(tests, keys_fixture_start_server, keys_fixture_stop_server);
}
