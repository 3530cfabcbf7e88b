/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/kit/file.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64];

static int set_up(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/test_file.XXXXXX");
	return mkdtemp(dir) != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
	char command[96];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static unsigned count_entries(void)
{
	DIR *d = opendir(dir);
	unsigned n = 0;

	assert_non_null(d);
	for (struct dirent *e = readdir(d); e != NULL; e = readdir(d))
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static void assert_mode(const char *path, mode_t mode)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, mode);
}

static void writes_and_reads(void **state)
{
	char *path = file_join(dir, "key");
	struct ssf_buf b;
	struct ssf_err err;

	(void)state;
	ssf_buf_init(&b, 64);
	assert_int_equal(file_write(path, SSF_STR("one\0two"), 0600, &err), 0);
	assert_mode(path, 0600);
	assert_int_equal(file_read(path, &b, &err), 0);
	assert_true(ssf_str_eq(ssf_buf_str(&b), SSF_STR("one\0two")));
	/* appends */
	assert_int_equal(file_write(path, SSF_STR("+"), 0640, &err), 0);
	assert_mode(path, 0640);
	assert_int_equal(file_read(path, &b, &err), 0);
	assert_true(ssf_str_eq(ssf_buf_str(&b), SSF_STR("one\0two+")));
	assert_int_equal(count_entries(), 1);
	ssf_buf_done(&b);
	free(path);
}

static void limits_what_it_reads(void **state)
{
	char *path = file_join(dir, "big");
	char bytes[10000];
	struct ssf_buf b;
	struct ssf_err err;

	(void)state;
	memset(bytes, 'x', sizeof(bytes));
	assert_int_equal(file_write(path, (struct ssf_str){ bytes, sizeof(bytes) }, 0644, &err), 0);
	ssf_buf_init(&b, sizeof(bytes));
	assert_int_equal(file_read(path, &b, &err), 0);
	assert_int_equal(b.len, sizeof(bytes));
	ssf_buf_done(&b);
	ssf_buf_init(&b, sizeof(bytes) - 1);
	assert_int_equal(file_read(path, &b, &err), -1);
	assert_int_equal(err.code, SSF_E_LIMIT);
	ssf_buf_done(&b);
	free(path);
}

static void says_what_is_missing(void **state)
{
	char *path = file_join(dir, "none");
	char *deep = file_join(path, "file");
	struct ssf_buf b;
	struct ssf_err err;

	(void)state;
	ssf_buf_init(&b, 64);
	assert_int_equal(file_read(path, &b, &err), -1);
	assert_int_equal(err.code, SSF_E_NOT_FOUND);
	assert_int_equal(file_read(dir, &b, &err), -1);
	assert_int_equal(err.code, SSF_E_INTERNAL);
	assert_int_equal(file_write(deep, SSF_STR("x"), 0644, &err), -1);
	assert_int_equal(err.code, SSF_E_NOT_FOUND);
	ssf_buf_done(&b);
	free(deep);
	free(path);
}

static void leaves_nothing_behind_on_failure(void **state)
{
	char *path = file_join(dir, "folder");
	struct ssf_err err;

	(void)state;
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(file_write(path, SSF_STR("x"), 0644, &err), -1);
	assert_int_equal(err.code, SSF_E_INTERNAL);
	assert_int_equal(count_entries(), 1);
	free(path);
}

static void makes_folders(void **state)
{
	char *path = file_join(dir, "a");
	char *file = file_join(path, "f");
	char *deep = file_join(file, "b");
	struct ssf_err err;

	(void)state;
	assert_int_equal(file_mkdir(path, 0700, &err), 0);
	assert_mode(path, 0700);
	assert_int_equal(file_mkdir(path, 0700, &err), 0);
	assert_int_equal(file_write(file, SSF_STR("x"), 0644, &err), 0);
	assert_int_equal(file_mkdir(file, 0700, &err), -1);
	assert_int_equal(err.code, SSF_E_INTERNAL);
	assert_int_equal(file_mkdir(deep, 0700, &err), -1);
	assert_int_equal(err.code, SSF_E_NOT_FOUND);
	free(deep);
	free(file);
	free(path);
}

static void joins(void **state)
{
	static const char *const cases[][3] = {
		{ "a", "b", "a/b" }, { "a/", "b", "a/b" }, { "/", "b", "/b" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *joined = file_join(cases[i][0], cases[i][1]);

		assert_string_equal(joined, cases[i][2]);
		free(joined);
	}
}

#define file_test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		file_test(writes_and_reads),
		file_test(limits_what_it_reads),
		file_test(says_what_is_missing),
		file_test(leaves_nothing_behind_on_failure),
		file_test(makes_folders),
		cmocka_unit_test(joins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
