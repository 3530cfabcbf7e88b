/* SPDX-License-Identifier: Apache-2.0 */
/* Each part of a request between processes is signed, for one receiver and half a minute. */
#include "hub/auth/peer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define NOW 1764060000
#define STR(text) { (text), sizeof(text) - 1 }

static const struct peer_request request = {
	.to = "019a0000-0000-7000-8000-000000000001",
	.method = "POST",
	.target = STR("/streams/s-1/poll?x=%20"),
	.caller = "7 c-1",
	.content_type = STR("application/json"),
	.if_match = STR("\"3\""),
	.body = STR("{\"ack\":[\"x\"]}"),
};

static uint8_t key[DERIVED_KEY_LEN];

static int make_key(void **state)
{
	char path[] = "/tmp/peer_test.XXXXXX";
	struct master_key *master;
	struct ssf_err err;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	unlink(path);
	if (master_key_open(path, &master, &err) < 0 || peer_key(master, key, &err) < 0)
		fail_msg("%s", err.msg);
	master_key_free(master);
	unlink(path);
	return 0;
}

static bool passes(const struct peer_request *r, int64_t now_s, const char *stamp)
{
	struct ssf_err err;

	if (peer_check(key, r, now_s, ssf_str_c(stamp), &err) == 0)
		return true;
	assert_int_equal(err.code, SSF_E_UNAUTHENTICATED);
	return false;
}

static void a_signed_request_passes_for_half_a_minute(void **state)
{
	char stamp[PEER_STAMP_LEN];

	(void)state;
	assert_int_equal(peer_stamp(key, &request, NOW, stamp, NULL), 0);
	assert_true(passes(&request, NOW, stamp));
	assert_true(passes(&request, NOW + 30, stamp));
	assert_true(passes(&request, NOW - 30, stamp));
	assert_false(passes(&request, NOW + 31, stamp));
	assert_false(passes(&request, NOW - 31, stamp));
}

/* Also what reads the same when the parts are put one after the other. */
static void any_other_request_does_not(void **state)
{
	const struct peer_request others[] = {
		{ "019a0000-0000-7000-8000-000000000002", "POST", request.target, "7 c-1",
		  request.content_type, request.if_match, request.body },
		{ request.to, "GET", request.target, "7 c-1", request.content_type, request.if_match,
		  request.body },
		{ request.to, "POST", STR("/streams/s-2/poll?x=%20"), "7 c-1", request.content_type,
		  request.if_match, request.body },
		{ request.to, "POST", request.target, "admin", request.content_type, request.if_match,
		  request.body },
		{ request.to, "POST", request.target, "15 c-1", request.content_type, request.if_match,
		  request.body },
		{ request.to, "POST", request.target, "7 c-1", STR("text/plain"), request.if_match,
		  request.body },
		{ request.to, "POST", request.target, "7 c-1", request.content_type, STR(""), request.body },
		{ request.to, "POST", request.target, "7 c-1", request.content_type, request.if_match,
		  STR("{\"ack\":[\"y\"]}") },
		{ request.to, "POST", request.target, "7 c-1", STR("application/json\"3"), STR("\""),
		  request.body },
	};
	char stamp[PEER_STAMP_LEN];

	(void)state;
	assert_int_equal(peer_stamp(key, &request, NOW, stamp, NULL), 0);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_false(passes(&others[i], NOW, stamp));
}

static void what_is_no_stamp_does_not(void **state)
{
	char stamp[PEER_STAMP_LEN], changed[PEER_STAMP_LEN + 80];
	const char *const none[] = { "", ".", "1764060000", "1764060000.", "x.00", "99999999999999999999999.00",
				     "-1.0000000000000000000000000000000000000000000000000000000000000000" };

	(void)state;
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		assert_false(passes(&request, NOW, none[i]));
	assert_int_equal(peer_stamp(key, &request, NOW, stamp, NULL), 0);
	for (size_t i = 0; i < strlen(stamp); i++) {
		memcpy(changed, stamp, sizeof(stamp));
		changed[i] = changed[i] == '0' ? '1' : '0';
		assert_false(passes(&request, NOW, changed));
	}
	memset(changed, '1', sizeof(changed));
	changed[sizeof(changed) - 1] = '\0';
	assert_false(passes(&request, NOW, changed));
	key[0] ^= 1;
	assert_false(passes(&request, NOW, stamp));
	key[0] ^= 1;
}

static void callers_come_back_as_they_were(void **state)
{
	struct caller in = { .client = "agent:gate-1", .perms = 37 }, out;
	char text[PEER_CALLER_LEN];

	(void)state;
	peer_caller_format(&in, text);
	assert_int_equal(peer_caller_parse(ssf_str_c(text), &out), 0);
	assert_false(out.admin);
	assert_string_equal(out.client, in.client);
	assert_int_equal(out.perms, 37);
	in = (struct caller){ .admin = true };
	peer_caller_format(&in, text);
	assert_int_equal(peer_caller_parse(ssf_str_c(text), &out), 0);
	assert_true(out.admin);
	assert_string_equal(out.client, "");
}

static void what_is_no_caller_is_none(void **state)
{
	char text[PEER_CALLER_LEN + 8];
	const char *const none[] = { "", "7", "7 ", "administrator", "x c-1" };
	struct caller out;

	(void)state;
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		assert_int_equal(peer_caller_parse(ssf_str_c(none[i]), &out), -1);
	memset(text, 'c', sizeof(text));
	memcpy(text, "7 ", 2);
	text[2 + CALLER_CLIENT_LEN] = '\0';
	assert_int_equal(peer_caller_parse(ssf_str_c(text), &out), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_signed_request_passes_for_half_a_minute),
		cmocka_unit_test(any_other_request_does_not),
		cmocka_unit_test(what_is_no_stamp_does_not),
		cmocka_unit_test(callers_come_back_as_they_were),
		cmocka_unit_test(what_is_no_caller_is_none),
	};

	return cmocka_run_group_tests(tests, make_key, NULL);
}
