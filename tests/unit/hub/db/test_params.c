/* SPDX-License-Identifier: Apache-2.0 */
/* Parameters as they go over the wire, and their match with a statement's types. */
#include "hub/db/params.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_param(const struct db_param *p, const void *bytes, size_t len, int format)
{
	struct db_params params = { .list = { *p } };
	struct db_encoded_params e = { 0 };
	struct ssf_err err;

	assert_int_equal(db_params_encode(&params, &e, &err), 0);
	assert_int_equal(e.formats[0], format);
	assert_int_equal(e.lengths[0], len);
	assert_memory_equal(e.values[0], bytes, len);
	db_encoded_params_done(&e);
}

static void scalars_are_big_endian_and_text_is_text(void **state)
{
	(void)state;
	json_auto_t *json = json_pack("{s:[i,b]}", "a", 1, 1);
	const struct {
		struct db_param param;
		const char *bytes;
		size_t len;
		int format;
	} cases[] = {
		{ db_param_int(258), "\0\0\0\0\0\0\1\2", 8, 1 },
		{ db_param_int(-1), "\377\377\377\377\377\377\377\377", 8, 1 },
		{ db_param_bool(true), "\1", 1, 1 },
		{ db_param_bool(false), "\0", 1, 1 },
		{ db_param_text("abc"), "abc", 4, 0 }, /* libpq reads text up to its NUL */
		{ db_param_uuid("f81d4fae-7dec-11d0-a765-00a0c91e6bf6"), "f81d4fae", 8, 0 },
		{ db_param_bytes("a\0b", 3), "a\0b", 3, 1 },
		{ db_param_bytes("", 0), "", 0, 1 },
		{ db_param_json(json), "\1{\"a\":[1,true]}", 15, 1 },
		{ db_param_json_text("[1]"), "[1]", 4, 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct db_params params = { .list = { cases[i].param } };
		struct db_encoded_params e = { 0 };

		assert_int_equal(db_params_encode(&params, &e, NULL), 0);
		assert_int_equal(e.formats[0], cases[i].format);
		if (cases[i].format == 1)
			assert_int_equal(e.lengths[0], cases[i].len);
		assert_memory_equal(e.values[0], cases[i].bytes, cases[i].len);
		db_encoded_params_done(&e);
	}
}

static void null_of_each_kind_is_sql_null(void **state)
{
	(void)state;
	const struct db_param nulls[] = { db_param_null(), db_param_text(NULL), db_param_uuid(NULL),
					  db_param_bytes(NULL, 0), db_param_json(NULL), db_param_json_text(NULL) };

	for (size_t i = 0; i < sizeof(nulls) / sizeof(*nulls); i++) {
		struct db_params params = { .list = { nulls[i] } };
		struct db_encoded_params e = { 0 };

		assert_int_equal(db_params_encode(&params, &e, NULL), 0);
		assert_null(e.values[0]);
		db_encoded_params_done(&e);
	}
}

static void arrays_are_as_array_recv_reads_them(void **state)
{
	(void)state;
	db_auto_array texts = { 0 }, empty = { 0 };
	struct db_param p;

	db_array_init(&texts, DB_ELEMENT_TEXT, 1000);
	db_array_add_text(&texts, "ab");
	db_array_add_null(&texts);
	p = db_param_array(&texts);
	assert_int_equal(p.type, DB_TEXT_ARRAY);
	assert_param(&p, "\0\0\0\1" "\0\0\0\1" "\0\0\0\31" "\0\0\0\2" "\0\0\0\1" "\0\0\0\2ab" "\377\377\377\377", 30, 1);

	db_array_init(&empty, DB_ELEMENT_INT8, 1000);
	p = db_param_array(&empty);
	assert_param(&p, "\0\0\0\0" "\0\0\0\0" "\0\0\0\24", 12, 1);
}

static void array_above_its_maximum_is_refused(void **state)
{
	(void)state;
	db_auto_array a = { 0 };
	struct db_encoded_params e = { 0 };
	struct ssf_err err;

	db_array_init(&a, DB_ELEMENT_INT8, 40);
	for (int i = 0; i < 5; i++)
		db_array_add_int(&a, i);
	assert_int_equal(db_params_encode(DB_PARAMS(db_param_array(&a)), &e, &err), -1);
	assert_int_equal(err.code, SSF_E_NOMEM);
	db_encoded_params_done(&e);
}

static void params_match_by_type_and_number(void **state)
{
	(void)state;
	static const enum db_type types[] = { DB_INT, DB_TEXT };

	assert_true(db_params_match(DB_PARAMS(db_param_int(1), db_param_text("x")), types, 2));
	assert_true(db_params_match(DB_PARAMS(db_param_null(), db_param_text(NULL)), types, 2));
	assert_true(db_params_match(DB_NO_PARAMS, types, 0));
	assert_false(db_params_match(DB_PARAMS(db_param_text("1"), db_param_text("x")), types, 2));
	assert_false(db_params_match(DB_PARAMS(db_param_int(1)), types, 2));
	assert_false(db_params_match(DB_PARAMS(db_param_int(1), db_param_text("x")), types, 1));
	assert_false(db_params_match(DB_NO_PARAMS, types, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scalars_are_big_endian_and_text_is_text),
		cmocka_unit_test(null_of_each_kind_is_sql_null),
		cmocka_unit_test(arrays_are_as_array_recv_reads_them),
		cmocka_unit_test(array_above_its_maximum_is_refused),
		cmocka_unit_test(params_match_by_type_and_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
