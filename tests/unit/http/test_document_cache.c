/* SPDX-License-Identifier: Apache-2.0 */
/* Documents of our own server: fetched once, read once, and the last ones asked for are kept. */
#include "lib/http/document_cache.h"

#include "lib/http/jwks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/http/http_fixture.h"

#include <cmocka.h>

/* What time it is for the hub: the tests put it forward. */
static int64_t later_ms;
int64_t __real_loop_now_ms(void);
int64_t __wrap_loop_now_ms(void);

int64_t __wrap_loop_now_ms(void)
{
	return __real_loop_now_ms() + later_ms;
}

/*
 * With intercept set, a fetch goes nowhere: the test ends it by calling fetch_done. So it can end exactly
 * between a document_get_start() and the deferred call that answers it.
 */
static bool intercept;
static http_done_f *fetch_done;
static void *fetch_arg;
int __real_http_call_start(struct http_client *c, const struct http_call_spec *spec, http_done_f *done,
			   void *arg, struct http_call **out, struct ssf_err *err);
int __wrap_http_call_start(struct http_client *c, const struct http_call_spec *spec, http_done_f *done,
			   void *arg, struct http_call **out, struct ssf_err *err);

int __wrap_http_call_start(struct http_client *c, const struct http_call_spec *spec, http_done_f *done,
			   void *arg, struct http_call **out, struct ssf_err *err)
{
	if (!intercept)
		return __real_http_call_start(c, spec, done, arg, out, err);
	fetch_done = done;
	fetch_arg = arg;
	*out = (struct http_call *)&intercept; /* not NULL; never cancelled */
	return 0;
}

struct document_fixture {
	struct fixture f;
	char last[32];
	struct ca_store *trust;
	struct http_client *client;
	struct document_cache *documents;
	unsigned wanted, told, failed;
	enum ssf_code code;
};

static unsigned n_parsed, n_freed;
static bool unreadable;

static int parse(struct ssf_str text, void **out, struct ssf_err *err)
{
	n_parsed++;
	if (unreadable)
		return ssf_fail(err, SSF_E_MALFORMED, "not for us");
	*out = ssf_str_dup(text);
	return 0;
}

static void free_parsed(void *parsed)
{
	n_freed++;
	free(parsed);
}

static const struct document_form text_form = { parse, free_parsed };
static const struct document_form other_form = { parse, free_parsed };

static int set_up(void **state)
{
	struct document_fixture *t = calloc(1, sizeof(*t));
	struct ssf_err err = { 0 };

	*state = t;
	n_parsed = n_freed = 0;
	unreadable = false;
	later_ms = 0;
	intercept = false;
	fixture_init(&t->f, false);
	fixture_start(&t->f);
	assert_int_equal(ca_store_new(NULL, &t->trust, &err), 0);
	assert_int_equal(http_client_new(t->f.loop, NULL, t->trust, &t->client, &err), 0);
	assert_int_equal(document_cache_new(t->f.loop, t->client, &t->documents, &err), 0);
	return 0;
}

static int tear_down(void **state)
{
	struct document_fixture *t = *state;

	document_cache_free(t->documents);
	http_client_free(t->client);
	ca_store_free(t->trust);
	fixture_done(&t->f);
	free(t);
	return 0;
}

static void on_document(void *arg, const void *parsed, const struct ssf_err *err)
{
	struct document_fixture *t = arg;

	assert_true((parsed == NULL) != (err == NULL));
	t->told++;
	t->failed += err != NULL;
	t->code = err != NULL ? err->code : SSF_OK;
	snprintf(t->last, sizeof(t->last), "%s", parsed != NULL ? (const char *)parsed : "");
}

static int try_ask(struct document_fixture *t, const char *path, const struct document_form *form, bool refresh,
		   document_f *f)
{
	struct document_get *get;
	struct ssf_err err = { 0 };
	char url[128];

	snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", http_server_port(t->f.server), path);
	if (document_get_start(t->documents, url, form, refresh, f, t, &get, &err) < 0) {
		t->code = err.code;
		return -1;
	}
	t->wanted++;
	return 0;
}

static void ask(struct document_fixture *t, const char *path, const struct document_form *form)
{
	assert_int_equal(try_ask(t, path, form, false, on_document), 0);
}

static bool all_told(void *arg)
{
	const struct document_fixture *t = arg;

	return t->told == t->wanted;
}

static void get(struct document_fixture *t, const char *path)
{
	ask(t, path, &text_form);
	fixture_until(&t->f, all_told, t);
}

static void it_is_fetched_once_and_read_once(void **state)
{
	struct document_fixture *t = *state;

	for (int i = 0; i < 5; i++)
		ask(t, "/a", &text_form);
	fixture_until(&t->f, all_told, t);
	get(t, "/a");
	assert_int_equal(t->f.n_requests, 1);
	assert_int_equal(n_parsed, 1);
	ask(t, "/a", &other_form); /* somebody reads it as something else */
	fixture_until(&t->f, all_told, t);
	assert_int_equal(t->f.n_requests, 1);
	assert_int_equal(n_parsed, 2);
	assert_int_equal(n_freed, 1);
	assert_int_equal(t->failed, 0);
}

static void what_cannot_be_read_is_read_once_too(void **state)
{
	struct document_fixture *t = *state;

	unreadable = true;
	get(t, "/a");
	get(t, "/a");
	assert_int_equal(t->failed, 2);
	assert_int_equal(t->code, SSF_E_UNAVAILABLE);
	assert_int_equal(n_parsed, 1);
}

static void who_was_asked_for_longest_ago_makes_room(void **state)
{
	struct document_fixture *t = *state;
	char path[32];

	for (int i = 0; i < DOCUMENTS_MAX; i++) {
		snprintf(path, sizeof(path), "/%d", i);
		get(t, path);
	}
	get(t, "/0"); /* so it is /1 that is in the way */
	assert_int_equal(t->f.n_requests, DOCUMENTS_MAX);
	get(t, "/one-more");
	assert_int_equal(t->f.n_requests, DOCUMENTS_MAX + 1);
	get(t, "/0");
	get(t, "/2");
	assert_int_equal(t->f.n_requests, DOCUMENTS_MAX + 1);
	get(t, "/1");
	assert_int_equal(t->f.n_requests, DOCUMENTS_MAX + 2);
	assert_int_equal(t->failed, 0);
	assert_int_equal(n_freed, 2);
}

static void large_ones_make_room_sooner(void **state)
{
	struct document_fixture *t = *state;
	unsigned fit = DOCUMENTS_BYTES / (250 * 1024);
	char path[32];

	for (unsigned i = 0; i < fit; i++) {
		snprintf(path, sizeof(path), "/kib%u?q=250", i);
		get(t, path);
	}
	get(t, "/kib0?q=250");
	assert_int_equal(t->f.n_requests, fit);
	get(t, "/kib-more?q=250");
	get(t, "/kib0?q=250");
	assert_int_equal(t->f.n_requests, fit + 1);
	get(t, "/kib1?q=250");
	assert_int_equal(t->f.n_requests, fit + 2);
	assert_int_equal(t->failed, 0);
}

static void whom_somebody_waits_for_stays(void **state)
{
	struct document_fixture *t = *state;
	struct document_get *get_one;
	struct ssf_err err;
	char url[128];

	for (int i = 0; i < DOCUMENTS_MAX; i++) {
		snprintf(url, sizeof(url), "http://127.0.0.1:%u/%d", http_server_port(t->f.server), i);
		assert_int_equal(document_get_start(t->documents, url, &text_form, false, on_document, t,
						    &get_one, &err), 0);
	}
	assert_int_equal(document_get_start(t->documents, "http://127.0.0.1:1/", &text_form, false, on_document,
					    t, &get_one, &err), -1);
	assert_int_equal(err.code, SSF_E_BUSY);
	t->wanted = DOCUMENTS_MAX;
	fixture_until(&t->f, all_told, t);
	assert_int_equal(t->failed, 0);
}

/* "old" is kept, and may be fetched again. */
static void keep_old(struct document_fixture *t)
{
	ask(t, "/hold", &text_form);
	fixture_until_held(&t->f, 1);
	fixture_reply(t->f.held[0], 200, "old");
	fixture_until(&t->f, all_told, t);
	assert_string_equal(t->last, "old");
	later_ms += DOCUMENT_MIN_S * 1000;
}

static void miss_something(void *arg, const void *parsed, const struct ssf_err *err)
{
	struct document_fixture *t = arg;

	on_document(t, parsed, err);
	assert_string_equal(t->last, "old");
	assert_int_equal(try_ask(t, "/hold", &text_form, true, on_document), 0);
}

/* None of those who miss something is given the same again. */
static void who_asks_again_is_given_what_has_come_again(void **state)
{
	struct document_fixture *t = *state;

	keep_old(t);
	for (int i = 0; i < 3; i++)
		assert_int_equal(try_ask(t, "/hold", &text_form, false, miss_something), 0);
	fixture_until_held(&t->f, 2);
	assert_int_equal(t->told, 1 + 3);
	fixture_reply(t->f.held[1], 200, "new");
	fixture_until(&t->f, all_told, t);
	assert_int_equal(t->told, 1 + 3 + 3);
	assert_string_equal(t->last, "new");
	assert_int_equal(t->f.n_requests, 2);
}

static bool one_is_told(void *arg)
{
	const struct document_fixture *t = arg;

	return t->told == 2;
}

/* However many do. */
static void who_misses_nothing_does_not_wait_for_those_who_do(void **state)
{
	struct document_fixture *t = *state;

	keep_old(t);
	while (try_ask(t, "/hold", &text_form, true, on_document) == 0)
		assert_true(t->wanted < 5000);
	assert_int_equal(t->code, SSF_E_BUSY);
	fixture_until_held(&t->f, 2);
	ask(t, "/hold", &text_form);
	fixture_until(&t->f, one_is_told, t);
	assert_string_equal(t->last, "old");
	fixture_reply(t->f.held[1], 200, "new");
	fixture_until(&t->f, all_told, t);
	assert_string_equal(t->last, "new");
}

/* It may name keys that have been taken back since. */
static void what_is_old_is_not_given_before_it_was_fetched(void **state)
{
	struct document_fixture *t = *state;

	keep_old(t);
	later_ms += DOCUMENT_TTL_S * 1000;
	ask(t, "/hold", &text_form);
	ask(t, "/hold", &text_form);
	fixture_until_held(&t->f, 2);
	assert_int_equal(t->told, 1);
	fixture_reply(t->f.held[1], 200, "new");
	fixture_until(&t->f, all_told, t);
	assert_string_equal(t->last, "new");
}

static bool defer_ran;

static void on_defer(void *arg)
{
	(void)arg;
	defer_ran = true;
}

static bool has_deferred(void *arg)
{
	(void)arg;
	return defer_ran;
}

/*
 * A known key is asked for while an unknown one is being fetched, and the fetch ends before the deferred answer
 * to the first request has run: both are answered by the end of the fetch, and nothing runs later on a document
 * that may have been freed.
 */
static void a_fetch_that_ends_before_a_deferred_answer_replaces_it(void **state)
{
	struct document_fixture *t = *state;
	const struct http_result result = { .status = 200, .body = SSF_STR("new"), .retry_after = -1 };

	get(t, "/a");
	later_ms += DOCUMENT_MIN_S * 1000;
	intercept = true;
	assert_int_equal(try_ask(t, "/a", &text_form, true, on_document), 0);
	assert_non_null(fetch_done);
	ask(t, "/a", &text_form);
	fetch_done(fetch_arg, &result, NULL);
	assert_int_equal(t->told, t->wanted);
	document_cache_free(t->documents);
	t->documents = NULL;
	assert_non_null(loop_defer_start(t->f.loop, on_defer, NULL));
	fixture_until(&t->f, has_deferred, NULL);
	assert_int_equal(t->told, t->wanted);
	assert_int_equal(t->failed, 0);
}

static void inline_keys_are_read_once(void **state)
{
	struct document_fixture *t = *state;
	ssf_auto(ssf_key) key = NULL;
	ssf_auto(ssf_key) first = NULL;
	ssf_auto(ssf_key) again = NULL;
	ssf_auto(ssf_key) other = NULL;
	json_auto_t *jwk = NULL;
	json_auto_t *doc = NULL;
	json_auto_t *copy = NULL;
	struct jwks *j;
	struct ssf_err err;

	assert_int_equal(ssf_key_generate(SSF_ALG_ES256, &key, &err), 0);
	jwk = ssf_key_to_jwk(key);
	doc = json_pack("{s:[O]}", "keys", jwk);
	copy = json_deep_copy(doc);
	assert_int_equal(jwks_new(t->documents, &j, &err), 0);
	assert_int_equal(jwks_find(j, doc, ssf_key_kid(key), SSF_ALG_ES256, &first, &err), 0);
	assert_int_equal(jwks_find(j, doc, NULL, SSF_ALG_ES256, &again, &err), 0);
	assert_ptr_equal(first, again);
	assert_int_equal(jwks_find(j, copy, NULL, SSF_ALG_ES256, &other, &err), 0);
	assert_ptr_not_equal(first, other);
	assert_int_equal(jwks_find(j, doc, "another", SSF_ALG_ES256, &other, &err), -1);
	assert_int_equal(err.code, SSF_E_KEY);
	assert_int_equal(jwks_find(j, jwk, NULL, SSF_ALG_ES256, &other, &err), -1);
	assert_int_equal(err.code, SSF_E_UNAVAILABLE);
	jwks_free(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(it_is_fetched_once_and_read_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_cannot_be_read_is_read_once_too, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_was_asked_for_longest_ago_makes_room, set_up, tear_down),
		cmocka_unit_test_setup_teardown(large_ones_make_room_sooner, set_up, tear_down),
		cmocka_unit_test_setup_teardown(whom_somebody_waits_for_stays, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_asks_again_is_given_what_has_come_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_misses_nothing_does_not_wait_for_those_who_do, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(what_is_old_is_not_given_before_it_was_fetched, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_fetch_that_ends_before_a_deferred_answer_replaces_it, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(inline_keys_are_read_once, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
