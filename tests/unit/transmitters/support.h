/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of adapters share: requests made by hand, vector files, and a watch for secrets
 * that are freed without being wiped.
 */
#pragma once

#include "transmitters/adapter.h"

struct test_header {
	const char *name; /* NULL ends a list */
	struct ssf_str value;
};

/* POST with these headers, which are borrowed, like body. */
struct adapter_request test_request(const struct test_header *headers, struct ssf_str body);

/* Calls map() of the adapter's route POST ""; the reply must stay empty. */
int test_map(const struct source_adapter *a, const struct adapter_request *r,
	     struct signal_list *signals, struct ssf_err *err);

/* authenticate() with these secrets, under the names of members that say nothing. */
int test_authenticate(const struct source_adapter *a, const struct adapter_request *r,
		      const struct ssf_str *secrets, size_t count, struct ssf_err *err);

/* Fails unless got equals the JSON text. */
void assert_json(const json_t *got, const char *expected);

/*
 * Reads a file of tests/vectors ("github/keys.json"), without the newline at its end if it has
 * one.
 */
void load_vector(const char *name, struct ssf_buf *out);

/*
 * Between the two calls, every value that jansson frees is examined. unwatch_frees() returns how
 * many of them still began with secret.
 */
void watch_frees(const char *secret);
unsigned unwatch_frees(void);
