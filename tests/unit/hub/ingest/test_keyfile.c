/* SPDX-License-Identifier: Apache-2.0 */
/* Files of keys are read when they have changed, and not for every report. */
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

#include "hub/ingest/keyfile.h"
#include "lib/kit/log.h"
#include "lib/ssf/jwk.h"

struct fixture {
	char dir[64];
	char *path;
	struct keyfiles *files;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	strcpy(f->dir, "/tmp/keyfile_test.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->path = file_join(f->dir, "keys.json");
	f->files = keyfiles_new();
	return f->files != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	unlink(f->path);
	rmdir(f->dir);
	keyfiles_free(f->files);
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

static bool has(const struct fixture *f, const char *id)
{
	const struct github_keys *keys;
	struct ssf_err err;

	if (keyfiles_get(f->files, f->path, &keys, &err) < 0) {
		assert_int_equal(err.code, SSF_E_UNAVAILABLE);
		assert_null(strstr(err.msg, f->dir)); /* that is nobody's business */
		return false;
	}
	return github_keys_has(keys, ssf_str_c(id));
}

static void a_file_is_read_again_when_it_has_changed(void **state)
{
	struct fixture *f = *state;

	put(f, "one");
	for (int i = 0; i < 10; i++)
		assert_true(has(f, "one"));
	assert_int_equal(keyfiles_read(f->files), 1);
	put(f, "two"); /* as long as the first */
	assert_true(has(f, "two"));
	assert_false(has(f, "one"));
	assert_int_equal(keyfiles_read(f->files), 2);
}

static void what_cannot_be_read_is_tried_once(void **state)
{
	struct fixture *f = *state;
	struct ssf_err err;

	for (int i = 0; i < 10; i++)
		assert_false(has(f, "one"));
	assert_int_equal(keyfiles_read(f->files), 1);
	assert_int_equal(file_write(f->path, SSF_STR("{"), 0600, &err), 0);
	for (int i = 0; i < 10; i++)
		assert_false(has(f, "one"));
	assert_int_equal(keyfiles_read(f->files), 2);
	put(f, "one");
	assert_true(has(f, "one"));
	unlink(f->path);
	assert_false(has(f, "one"));
}

/* A directory is there, and opens, and cannot be read. */
static void what_may_pass_is_tried_again(void **state)
{
	struct fixture *f = *state;
	const struct github_keys *keys;
	struct ssf_err err;

	for (size_t i = 1; i < 4; i++) {
		assert_int_equal(keyfiles_get(f->files, f->dir, &keys, &err), -1);
		assert_int_equal(err.code, SSF_E_UNAVAILABLE);
		assert_int_equal(keyfiles_read(f->files), i);
	}
}

static void only_so_many_are_kept(void **state)
{
	struct fixture *f = *state;
	const struct github_keys *keys;
	struct ssf_err err;
	char path[64];

	put(f, "one");
	assert_true(has(f, "one"));
	for (int i = 0; i < 2 * KEYFILES_MAX; i++) {
		snprintf(path, sizeof(path), "/nowhere/%d", i);
		assert_int_equal(keyfiles_get(f->files, path, &keys, &err), -1);
		assert_true(has(f, "one"));
	}
	assert_int_equal(keyfiles_read(f->files), 1 + 2 * KEYFILES_MAX);
	assert_int_equal(keyfiles_get(f->files, "/nowhere/0", &keys, &err), -1);
	assert_int_equal(keyfiles_read(f->files), 2 + 2 * KEYFILES_MAX);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_file_is_read_again_when_it_has_changed),
		TEST(what_cannot_be_read_is_tried_once),
		TEST(what_may_pass_is_tried_again),
		TEST(only_so_many_are_kept),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
