/* SPDX-License-Identifier: Apache-2.0 */
#include "hub/db/sqlstate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void only_errors_of_the_statement_itself_are_final(void **state)
{
	static const struct {
		const char *state;
		enum ssf_code code;
	} cases[] = {
		{ "40001", SSF_E_CONFLICT },	/* serialization_failure, and what functions raise */
		{ "40P01", SSF_E_UNAVAILABLE }, /* deadlock_detected */
		{ "08006", SSF_E_UNAVAILABLE }, /* connection_failure */
		{ "53300", SSF_E_UNAVAILABLE }, /* too_many_connections */
		{ "55P03", SSF_E_UNAVAILABLE }, /* lock_not_available */
		{ "57014", SSF_E_UNAVAILABLE }, /* query_canceled */
		{ "57P01", SSF_E_UNAVAILABLE }, /* admin_shutdown */
		{ "58030", SSF_E_UNAVAILABLE }, /* io_error */
		{ "25006", SSF_E_UNAVAILABLE }, /* read_only_sql_transaction */
		{ "42883", SSF_E_UNAVAILABLE }, /* undefined_function: replaced by a newer program */
		{ "0A000", SSF_E_UNAVAILABLE }, /* cached plan must not change result type */
		{ "22P02", SSF_E_INTERNAL },	/* invalid_text_representation */
		{ "23505", SSF_E_INTERNAL },	/* unique_violation */
		{ "25001", SSF_E_INTERNAL },	/* active_sql_transaction */
		{ "42P01", SSF_E_INTERNAL },	/* undefined_table */
		{ NULL, SSF_E_INTERNAL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_int_equal(sqlstate_code(cases[i].state), cases[i].code);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(only_errors_of_the_statement_itself_are_final) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
