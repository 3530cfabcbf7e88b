/* SPDX-License-Identifier: Apache-2.0 */
#include "hub/keys/jti.h"

#include "lib/ssf/attr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
	char path[64];
	struct master_key *master;
	struct jti *jti;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct ssf_err err;
	int fd;

	*state = f;
	snprintf(f->path, sizeof(f->path), "/tmp/jti_test.XXXXXX");
	fd = mkstemp(f->path);
	if (fd < 0 || close(fd) < 0 || unlink(f->path) < 0) /* the key is made under a free name */
		return -1;
	return master_key_open(f->path, &f->master, &err) < 0 ? -1 : jti_new(f->master, &f->jti, &err);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	jti_free(f->jti);
	master_key_free(f->master);
	unlink(f->path);
	free(f);
	return 0;
}

static void jti_names_its_event_and_audience(void **state)
{
	struct fixture *f = *state;
	static const int64_t seqs[] = { 1, 2, 255, 256, 1LL << 40, INT64_MAX };
	char jti[JTI_LEN], again[JTI_LEN], other[JTI_LEN];

	for (size_t i = 0; i < SSF_ARRAY_SIZE(seqs); i++) {
		int64_t seq = 0;
		jti_make(f->jti, seqs[i], "https://a.example", jti);
		jti_make(f->jti, seqs[i], "https://a.example", again);
		jti_make(f->jti, seqs[i], "https://b.example", other);
		assert_int_equal(strlen(jti), JTI_LEN - 1);
		assert_string_equal(jti, again);
		assert_string_not_equal(jti, other);
		assert_int_equal(jti_seq(f->jti, ssf_str_c(jti), "https://a.example", &seq), 0);
		assert_true(seq == seqs[i]);
		/* the jti of another audience does not fit */
		assert_int_equal(jti_seq(f->jti, ssf_str_c(jti), "https://b.example", &seq), -1);
	}
}

static void made_up_jtis_are_refused(void **state)
{
	static const char *const bad[] = { "", "x", "AAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAAA",
					   "!!!!!!!!!!!!!!!!!!!!!!", "4d3559ec67504aaba65d40b0363faad8" };
	struct fixture *f = *state;
	char jti[JTI_LEN];
	int64_t seq;

	for (size_t i = 0; i < SSF_ARRAY_SIZE(bad); i++)
		assert_int_equal(jti_seq(f->jti, ssf_str_c(bad[i]), "https://a.example", &seq), -1);
	jti_make(f->jti, 7, "https://a.example", jti);
	for (size_t i = 0; i < JTI_LEN - 2; i++) {
		char was = jti[i];
		jti[i] = was == 'A' ? 'B' : 'A';
		assert_int_equal(jti_seq(f->jti, ssf_str_c(jti), "https://a.example", &seq), -1);
		jti[i] = was;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(jti_names_its_event_and_audience, set_up, tear_down),
		cmocka_unit_test_setup_teardown(made_up_jtis_are_refused, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
