/* SPDX-License-Identifier: Apache-2.0 */
#include "hub/streams/stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define SESSION_REVOKED "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
#define RISC_DISABLED "https://schemas.openid.net/secevent/risc/event-type/account-disabled"
#define VERIFICATION "https://schemas.openid.net/secevent/ssf/event-type/verification"
#define PUSH \
	"\"client\":\"c\",\"delivery\":{\"method\":\"urn:ietf:rfc:8935\",\"endpoint_url\":" \
	"\"https://r.example/e\"}"

static int parse(const char *text, struct stream **out, struct ssf_err *err)
{
	json_t *spec = json_loads(text, 0, NULL);
	json_t *client = json_pack("{s:s}", "audience", "https://client.example");
	int r;

	assert_non_null(spec);
	r = stream_parse("s", spec, client, out, err);
	json_decref(spec);
	json_decref(client);
	return r;
}

static void members_have_their_defaults(void **state)
{
	struct stream *s = NULL;
	struct ssf_err err;

	(void)state;
	assert_int_equal(parse("{" PUSH "}", &s, &err), 0);
	assert_int_equal(s->method, STREAM_PUSH);
	assert_int_equal(s->status, STREAM_ENABLED);
	assert_int_equal(s->alg, SSF_ALG_RS256);
	assert_string_equal(s->audience, "https://client.example");
	assert_string_equal(s->endpoint, "https://r.example/e");
	assert_null(s->authorization);
	assert_null(s->events);
	assert_int_equal(s->heartbeat_s, -1);
	assert_int_equal(s->inactivity_s, -1);
	stream_free(s);

	assert_int_equal(parse("{\"client\":\"c\",\"audience\":\"https://"
			       "own.example\",\"alg\":\"ES256\",\"status\":\"paused\","
			       "\"heartbeat\":0,\"inactivity_timeout\":86400,"
			       "\"delivery\":{\"method\":\"urn:ietf:rfc:8936\"}}",
			       &s, &err),
			 0);
	assert_int_equal(s->heartbeat_s, 0);
	assert_int_equal(s->inactivity_s, 86400);
	assert_int_equal(s->method, STREAM_POLL);
	assert_int_equal(s->status, STREAM_PAUSED);
	assert_int_equal(s->alg, SSF_ALG_ES256);
	assert_string_equal(s->audience, "https://own.example");
	stream_free(s);
}

static void mistakes_are_named(void **state)
{
	static const struct {
		const char *text;
		const char *names;
	} cases[] = {
		{ "{\"client\":\"c\"}", "delivery" },
		{ "{\"client\":\"c\",\"delivery\":{}}", "method" },
		{ "{\"client\":\"c\",\"delivery\":{\"method\":\"push\"}}", "urn:ietf:rfc:8935" },
		{ "{\"client\":\"c\",\"delivery\":{\"method\":\"urn:ietf:rfc:8935\"}}",
		  "endpoint_url" },
		{ "{\"client\":\"c\",\"delivery\":{\"method\":\"urn:ietf:rfc:8936\",\"endpoint_"
		  "url\":\"x\"}}",
		  "endpoint_url" },
		{ "{" PUSH ",\"status\":\"stopped\"}", "status" },
		{ "{" PUSH ",\"alg\":\"HS256\"}", "alg" },
		{ "{" PUSH ",\"alg\":\"none\"}", "alg" },
		{ "{" PUSH ",\"events\":\"all\"}", "events" },
		{ "{" PUSH ",\"events\":[1]}", "events" },
		{ "{" PUSH ",\"unheard\":1}", "unheard" },
		{ "{" PUSH ",\"heartbeat\":-1}", "heartbeat" },
		{ "{" PUSH ",\"heartbeat\":31536001}", "heartbeat" },
		{ "{" PUSH ",\"inactivity_timeout\":\"1h\"}", "inactivity_timeout" },
		{ "{" PUSH ",\"inactivity_timeout\":0.5}", "inactivity_timeout" },
	};

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		struct stream *s = NULL;
		struct ssf_err err;
		assert_int_equal(parse(cases[i].text, &s, &err), -1);
		assert_null(s);
		if (strstr(err.msg, cases[i].names) == NULL)
			fail_msg("%s: %s", cases[i].text, err.msg);
	}
}

static void wants_what_it_asked_for(void **state)
{
	json_t *sub_id = json_pack("{s:s, s:s}", "format", "opaque", "id", "x");
	struct event e = {
		.refs = 1, .origin = "rules", .type = SESSION_REVOKED, .sub_id = sub_id
	};
	struct event signal = { .refs = 1, .type = "secret.leaked" };
	struct stream *all = NULL, *some = NULL;
	struct ssf_err err;

	(void)state;
	assert_int_equal(parse("{" PUSH "}", &all, &err), 0);
	assert_int_equal(parse("{" PUSH ",\"events\":[\"" SESSION_REVOKED "\"]}", &some, &err), 0);
	assert_true(stream_wants(all, &e));
	assert_true(stream_wants(some, &e));
	e.type = RISC_DISABLED;
	assert_true(stream_wants(all, &e));
	assert_false(stream_wants(some, &e));
	/* a verification event of somebody else's stream is not for this one's receiver */
	e.type = VERIFICATION;
	e.control = true;
	assert_false(stream_wants(all, &e));
	/* signals stay inside */
	assert_false(stream_wants(all, &signal));
	stream_free(all);
	stream_free(some);
	json_decref(sub_id);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_have_their_defaults),
		cmocka_unit_test(mistakes_are_named),
		cmocka_unit_test(wants_what_it_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
