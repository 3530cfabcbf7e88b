/* SPDX-License-Identifier: Apache-2.0 */
/* Key files are read when they have changed, not for every request. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hub/ingest/source_keys.h"
#include "lib/kit/file.h"
#include "lib/kit/log.h"
#include "lib/ssf/jwk.h"

struct fixture {
	char dir[64];
	char *path;
	struct loop *loop;
	struct source_keys *keys;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	strcpy(f->dir, "/tmp/source_keys_test.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->path = file_join(f->dir, "keys.json");
	struct ssf_err err;
	assert_int_equal(loop_new(&f->loop, &err), 0);
	return source_keys_new(f->loop, NULL, &f->keys, &err);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	unlink(f->path);
	rmdir(f->dir);
	source_keys_free(f->keys);
	loop_free(f->loop);
	free(f->path);
	free(f);
	return 0;
}

/* A document of a new key of this id. */
static char *document(const char *id)
{
	BIO *bio = BIO_new(BIO_s_mem());
	struct ssf_key *key;
	struct ssf_err err;
	json_t *doc;
	char *pem, *text;

	assert_int_equal(ssf_key_generate(SSF_ALG_ES256, &key, &err), 0);
	assert_int_equal(PEM_write_bio_PUBKEY(bio, ssf_key_pkey(key)), 1);
	long len = BIO_get_mem_data(bio, &pem);
	doc = json_pack("{s:[{s:s, s:s%, s:b}]}", "public_keys", "key_identifier", id, "key", pem, (size_t)len,
			"is_current", 1);
	text = json_dumps(doc, 0);
	json_decref(doc);
	BIO_free(bio);
	ssf_key_free(key);
	return text;
}

static void put(const struct fixture *f, const char *id)
{
	char *text = document(id);
	struct ssf_err err;

	assert_int_equal(file_write(f->path, ssf_str_c(text), 0600, &err), 0);
	free(text);
}

/* One answer: whether there were keys, and one of this id among them. */
struct answer {
	struct fixture *f;
	const struct adapter_request *request;
	bool came, unavailable, has;
};

static struct ssf_str key_id(const void *arg, const char *name)
{
	return strcmp(name, "Github-Public-Key-Identifier") == 0 ? ssf_str_c(arg) :
								   (struct ssf_str){ NULL, 0 };
}

static void on_keys(void *arg, const void *keys, const struct ssf_err *err)
{
	struct answer *a = arg;

	a->came = true;
	if (err != NULL) {
		assert_null(keys);
		assert_int_equal(err->code, SSF_E_UNAVAILABLE);
		assert_null(strstr(err->msg, a->f->dir)); /* the sender is not told the path */
		a->unavailable = true;
	} else {
		a->has = github_partner_adapter.keys->has(keys, a->request);
	}
	loop_stop(a->f->loop);
}

static struct answer get(struct fixture *f, const char *path, const char *id)
{
	json_auto_t *spec = json_pack("{s:s}", "keys_file", path);
	struct adapter_request r = { .header = key_id, .arg = id };
	struct answer a = { .f = f, .request = &r };
	struct source_keys_get *g;
	struct ssf_err err;

	assert_int_equal(source_keys_get_start(f->keys, &github_partner_adapter, spec, &r, on_keys,
					       &a, &g, &err), 0);
	assert_false(a.came);
	loop_run(f->loop);
	assert_true(a.came);
	return a;
}

static bool has(struct fixture *f, const char *id)
{
	return get(f, f->path, id).has;
}

static void a_changed_file_is_read_again(void **state)
{
	struct fixture *f = *state;

	put(f, "one");
	for (int i = 0; i < 10; i++)
		assert_true(has(f, "one"));
	assert_int_equal(source_keys_reads(f->keys), 1);
	put(f, "two"); /* as long as the first */
	assert_true(has(f, "two"));
	assert_false(has(f, "one"));
	assert_int_equal(source_keys_reads(f->keys), 2);
}

static void an_unusable_file_is_read_once(void **state)
{
	struct fixture *f = *state;
	struct ssf_err err;

	for (int i = 0; i < 10; i++)
		assert_false(has(f, "one"));
	assert_int_equal(source_keys_reads(f->keys), 1);
	assert_int_equal(file_write(f->path, SSF_STR("{"), 0600, &err), 0);
	for (int i = 0; i < 10; i++)
		assert_false(has(f, "one"));
	assert_int_equal(source_keys_reads(f->keys), 2);
	put(f, "one");
	assert_true(has(f, "one"));
	unlink(f->path);
	assert_false(has(f, "one"));
}

/* A directory can be opened and not be read. */
static void a_read_error_is_tried_again(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 1; i < 4; i++) {
		assert_true(get(f, f->dir, "one").unavailable);
		assert_int_equal(source_keys_reads(f->keys), i);
	}
}

static void the_least_recently_used_file_makes_room(void **state)
{
	struct fixture *f = *state;
	char path[64];

	put(f, "one");
	assert_true(has(f, "one"));
	for (int i = 0; i < 2 * SOURCE_KEYS_FILES_MAX; i++) {
		snprintf(path, sizeof(path), "/nowhere/%d", i);
		assert_true(get(f, path, "one").unavailable);
		assert_true(has(f, "one"));
	}
	assert_int_equal(source_keys_reads(f->keys), 1 + 2 * SOURCE_KEYS_FILES_MAX);
	assert_true(get(f, "/nowhere/0", "one").unavailable);
	assert_int_equal(source_keys_reads(f->keys), 2 + 2 * SOURCE_KEYS_FILES_MAX);
}

static void never_called(void *arg, const void *keys, const struct ssf_err *err)
{
	(void)arg, (void)keys, (void)err;
	fail();
}

static void a_cancelled_request_hears_nothing(void **state)
{
	struct fixture *f = *state;
	json_auto_t *spec = json_pack("{s:s}", "keys_file", f->path);
	struct adapter_request r = { .header = key_id, .arg = "one" };
	struct source_keys_get *g;
	struct ssf_err err;

	put(f, "one");
	assert_int_equal(source_keys_get_start(f->keys, &github_partner_adapter, spec, &r,
					       never_called, NULL, &g, &err), 0);
	source_keys_get_cancel(g);
	assert_true(has(f, "one"));
}

static void waiting_requests_are_told_when_all_ends(void **state)
{
	struct fixture *f = *state;
	json_auto_t *spec = json_pack("{s:s}", "keys_file", f->path);
	struct adapter_request r = { .header = key_id, .arg = "one" };
	struct answer a = { .f = f, .request = &r };
	struct source_keys_get *g;
	struct ssf_err err;

	assert_int_equal(source_keys_get_start(f->keys, &github_partner_adapter, spec, &r, on_keys,
					       &a, &g, &err), 0);
	source_keys_free(f->keys);
	f->keys = NULL;
	assert_true(a.unavailable);
}

static void a_resource_without_keys_is_unavailable(void **state)
{
	struct fixture *f = *state;
	json_auto_t *spec = json_object();
	struct adapter_request r = { .header = key_id, .arg = "one" };
	struct source_keys_get *g;
	struct ssf_err err;

	assert_int_equal(source_keys_get_start(f->keys, &github_partner_adapter, spec, &r,
					       never_called, NULL, &g, &err), -1);
	assert_int_equal(err.code, SSF_E_UNAVAILABLE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_changed_file_is_read_again),
		TEST(an_unusable_file_is_read_once),
		TEST(a_read_error_is_tried_again),
		TEST(the_least_recently_used_file_makes_room),
		TEST(a_cancelled_request_hears_nothing),
		TEST(waiting_requests_are_told_when_all_ends),
		TEST(a_resource_without_keys_is_unavailable),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
