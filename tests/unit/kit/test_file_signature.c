/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/kit/file_signature.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static void a_change_of_any_kind_is_seen(void **state)
{
	char path[] = "/tmp/ssf-signature-XXXXXX";
	int fd = mkstemp(path);
	struct file_signature first = file_signature_of(path), again = file_signature_of(path), changed;

	(void)state;
	assert_true(fd >= 0);
	assert_true(file_signature_exists(&first));
	assert_true(file_signature_equal(&first, &again));
	assert_int_equal(write(fd, "x", 1), 1);
	changed = file_signature_of(path);
	assert_false(file_signature_equal(&first, &changed));
	close(fd);
	unlink(path);
	changed = file_signature_of(path);
	assert_false(file_signature_exists(&changed));
	assert_false(file_signature_equal(&first, &changed));
}

static void no_path_is_no_file(void **state)
{
	struct file_signature none = file_signature_of(NULL);

	(void)state;
	assert_false(file_signature_exists(&none));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_change_of_any_kind_is_seen),
		cmocka_unit_test(no_path_is_no_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
