/* SPDX-License-Identifier: Apache-2.0 */
#include "hub/secrets/seal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
	char dir[64];
	char path[96];
	struct master_key *key;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct ssf_err err;

	snprintf(f->dir, sizeof(f->dir), "/tmp/seal_test.XXXXXX");
	if (mkdtemp(f->dir) == NULL)
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/master.key", f->dir);
	*state = f;
	return master_key_open(f->path, &f->key, &err);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	master_key_free(f->key);
	unlink(f->path);
	rmdir(f->dir);
	free(f);
	return 0;
}

static void sealed_text_opens_only_in_its_context(void **state)
{
	struct fixture *f = *state;
	ssf_auto_buf sealed = SSF_BUF(1024);
	ssf_auto_buf again = SSF_BUF(1024);
	ssf_auto_buf plain = SSF_BUF(1024);
	struct ssf_err err;

	assert_int_equal(seal(f->key, "source/gh/secret", SSF_STR("hunter2 hunter2"), &sealed, &err), 0);
	assert_null(strstr(sealed.ptr, "hunter2"));
	assert_int_equal(unseal(f->key, "source/gh/secret", ssf_buf_str(&sealed), &plain, &err), 0);
	assert_string_equal(plain.ptr, "hunter2 hunter2");

	/* the same secret is sealed differently each time */
	assert_int_equal(seal(f->key, "source/gh/secret", SSF_STR("hunter2 hunter2"), &again, &err), 0);
	assert_string_not_equal(sealed.ptr, again.ptr);

	/* it does not open in another place */
	assert_int_equal(unseal(f->key, "source/other/secret", ssf_buf_str(&sealed), &plain, &err), -1);
	assert_int_equal(err.code, SSF_E_KEY);
}

static void changed_or_foreign_text_is_refused(void **state)
{
	struct fixture *f = *state;
	ssf_auto_buf sealed = SSF_BUF(1024);
	ssf_auto_buf plain = SSF_BUF(1024);
	struct master_key *other = NULL;
	char path[96];
	struct ssf_err err;

	assert_int_equal(seal(f->key, "x", SSF_STR("secret"), &sealed, &err), 0);
	for (size_t i = 0; i + 1 < sealed.len; i += 5) {
		char was = sealed.ptr[i];
		sealed.ptr[i] = was == 'A' ? 'B' : 'A';
		assert_int_equal(unseal(f->key, "x", ssf_buf_str(&sealed), &plain, &err), -1);
		sealed.ptr[i] = was;
	}
	assert_int_equal(unseal(f->key, "x", SSF_STR("AAAA"), &plain, &err), -1);
	assert_int_equal(unseal(f->key, "x", SSF_STR(""), &plain, &err), -1);
	assert_int_equal(unseal(f->key, "x", SSF_STR("not base64!"), &plain, &err), -1);

	snprintf(path, sizeof(path), "%s/other.key", f->dir);
	assert_int_equal(master_key_open(path, &other, &err), 0);
	assert_int_equal(unseal(other, "x", ssf_buf_str(&sealed), &plain, &err), -1);
	assert_int_equal(err.code, SSF_E_KEY);
	assert_int_equal(plain.len, 0);
	master_key_free(other);
	unlink(path);
}

static void the_key_file_is_private_and_is_not_overwritten(void **state)
{
	struct fixture *f = *state;
	uint8_t first[DERIVED_KEY_LEN], second[DERIVED_KEY_LEN], other[DERIVED_KEY_LEN];
	struct master_key *again = NULL;
	struct stat st;
	struct ssf_err err;

	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(master_key_derive(f->key, "jti", first, &err), 0);
	assert_int_equal(master_key_derive(f->key, "else", other, &err), 0);
	assert_memory_not_equal(first, other, sizeof(first));
	assert_int_equal(master_key_open(f->path, &again, &err), 0);
	assert_int_equal(master_key_derive(again, "jti", second, &err), 0);
	assert_memory_equal(first, second, sizeof(first));
	master_key_free(again);

	assert_int_equal(chmod(f->path, 0644), 0);
	assert_int_equal(master_key_open(f->path, &again, &err), -1);
	assert_int_equal(err.code, SSF_E_DENIED);
	assert_int_equal(chmod(f->path, 0600), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(sealed_text_opens_only_in_its_context, set_up, tear_down),
		cmocka_unit_test_setup_teardown(changed_or_foreign_text_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_key_file_is_private_and_is_not_overwritten, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
