/* SPDX-License-Identifier: Apache-2.0 */
/* The inbox with real keys, served over HTTP, and a sink that the test controls. */
#include "tests/unit/ssf/support.h"

#include "lib/http/http_server.h"
#include "lib/kit/log.h"
#include "receivers/lib/set_inbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ISSUER "https://hub.example"
#define AUDIENCE "https://api.example"
#define GIVE_UP_MS 10000

struct fixture {
	struct loop *loop;
	struct http_server *server;
	struct ca_store *trust;
	struct http_client *http;
	struct hub_keys *keys;
	struct dedupe *dedupe;
	struct ssf_key *key;
	struct set_inbox inbox;
	struct loop_timer *give_up;
	/* the sink */
	enum { SINK_DONE, SINK_FAILS, SINK_HAS_NOTHING_TO_DO, SINK_REFUSES, SINK_HOLDS } behaviour;
	unsigned started, cancelled;
	/* the last item */
	bool ended;
	struct ssf_err err;
};

static const char *const audience[] = { AUDIENCE, NULL };

/* --- the sink ------------------------------------------------------------------------------ */

struct sink_op {
	struct fixture *f;
	sink_done_f *done;
	void *arg;
	struct loop_defer *defer;
};

static void on_sink_done(void *arg)
{
	struct sink_op op = *(struct sink_op *)arg;
	struct ssf_err err;

	free(arg);
	ssf_fail(&err, SSF_E_UNAVAILABLE, "away");
	op.done(op.arg, op.f->behaviour == SINK_FAILS ? &err : NULL);
}

static int sink_start(void *self, const struct ssf_set *set, int64_t received_us, sink_done_f *done,
		      void *arg, struct sink_op **out, struct ssf_err *err)
{
	struct fixture *f = self;
	struct sink_op *op;

	assert_string_equal(set->iss, ISSUER);
	assert_true(received_us > 0);
	f->started++;
	*out = NULL;
	if (f->behaviour == SINK_REFUSES)
		return ssf_fail(err, SSF_E_BUSY, "busy");
	if (f->behaviour == SINK_HAS_NOTHING_TO_DO)
		return 0;
	op = calloc(1, sizeof(*op));
	*op = (struct sink_op){ f, done, arg, NULL };
	if (f->behaviour != SINK_HOLDS)
		op->defer = loop_defer_start(f->loop, on_sink_done, op);
	*out = op;
	return 0;
}

static void sink_cancel(struct sink_op *op)
{
	if (op == NULL)
		return;
	op->f->cancelled++;
	loop_defer_cancel(op->defer);
	free(op);
}

/* --- the fixture --------------------------------------------------------------------------- */

static void serve_keys(void *arg, struct http_req *req)
{
	struct fixture *f = arg;
	json_auto_t *set = json_pack("{s:[o]}", "keys", ssf_key_to_jwk(f->key));
	ssf_auto_free char *text = json_dumps(set, 0);

	http_reply_json(req, 200, text);
}

static void on_give_up(void *arg)
{
	(void)arg;
	fail_msg("nothing happens");
}

static int set_up(void **state)
{
	static char url[64];
	struct fixture *f = calloc(1, sizeof(*f));
	const struct http_server_conf server = { .listen = "127.0.0.1:0" };
	struct hub_keys_conf keys = { .issuer = ISSUER, .jwks_url = url };
	struct ssf_err err;

	*state = f;
	f->key = support_key(SSF_ALG_RS256);
	assert_int_equal(loop_new(&f->loop, &err), 0);
	assert_int_equal(http_server_new(f->loop, &server, serve_keys, f, &f->server, &err), 0);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/keys", http_server_port(f->server));
	assert_int_equal(ca_store_new(NULL, &f->trust, &err), 0);
	assert_int_equal(http_client_new(f->loop, NULL, f->trust, &f->http, &err), 0);
	assert_int_equal(hub_keys_new(f->http, &keys, &f->keys, &err), 0);
	assert_int_equal(dedupe_new(100, 60000, &f->dedupe, &err), 0);
	f->give_up = loop_timer_start(f->loop, GIVE_UP_MS, on_give_up, f);
	f->inbox = (struct set_inbox){
		.loop = f->loop,
		.policy = { .keys = f->keys, .issuer = ISSUER, .audience = audience },
		.dedupe = f->dedupe,
		.sink = { f, sink_start, sink_cancel },
	};
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	loop_timer_cancel(f->give_up);
	hub_keys_free(f->keys);
	http_client_free(f->http);
	ca_store_free(f->trust);
	http_server_free(f->server);
	dedupe_free(f->dedupe);
	loop_free(f->loop);
	ssf_key_free(f->key);
	free(f);
	return 0;
}

static char *token(const struct fixture *f, const char *kid, const char *issuer, const char *jti)
{
	char header[256], payload[512];

	snprintf(header, sizeof(header), "{\"typ\":\"secevent+jwt\",\"alg\":\"RS256\",\"kid\":\"%s\"}",
		 kid != NULL ? kid : ssf_key_kid(f->key));
	snprintf(payload, sizeof(payload),
		 "{\"iss\":\"%s\",\"aud\":\"" AUDIENCE "\",\"jti\":\"%s\",\"iat\":%lld,\"events\":{"
		 "\"https://schemas.openid.net/secevent/caep/event-type/session-revoked\":{}},"
		 "\"sub_id\":{\"format\":\"opaque\",\"id\":\"x\"}}",
		 issuer, jti, (long long)(wall_now_ms() / 1000));
	return support_token(header, payload, f->key);
}

static void on_item(void *arg, const struct ssf_err *err)
{
	struct fixture *f = arg;

	f->ended = true;
	f->err = err != NULL ? *err : (struct ssf_err){ .code = SSF_OK };
	loop_stop(f->loop);
}

/* Until the item has ended; its error is in f->err. */
static void accept_token(struct fixture *f, const char *kid, const char *jti)
{
	ssf_auto_free char *text = token(f, kid, ISSUER, jti);
	struct set_inbox_item *item;
	struct ssf_err err;

	f->ended = false;
	assert_int_equal(set_inbox_accept_start(&f->inbox, ssf_str_c(text), on_item, f, &item, &err),
			 0);
	assert_false(f->ended);
	loop_run(f->loop);
	assert_true(f->ended);
}

/* --- tests --------------------------------------------------------------------------------- */

static void a_set_reaches_the_sink_once(void **state)
{
	struct fixture *f = *state;

	accept_token(f, NULL, "a"); /* waits for the keys, too */
	assert_int_equal(f->err.code, SSF_OK);
	accept_token(f, NULL, "a");
	assert_int_equal(f->err.code, SSF_OK);
	assert_int_equal(f->started, 1);
	accept_token(f, NULL, "b");
	assert_int_equal(f->started, 2);
}

static void a_set_that_failed_comes_again(void **state)
{
	struct fixture *f = *state;

	f->behaviour = SINK_FAILS;
	accept_token(f, NULL, "a");
	assert_int_equal(f->err.code, SSF_E_UNAVAILABLE);
	assert_true(set_inbox_is_transient(&f->err));
	f->behaviour = SINK_REFUSES;
	accept_token(f, NULL, "a");
	assert_int_equal(f->err.code, SSF_E_BUSY);
	f->behaviour = SINK_DONE;
	accept_token(f, NULL, "a");
	assert_int_equal(f->err.code, SSF_OK);
	assert_int_equal(f->started, 3);
}

static void a_set_that_calls_for_nothing_is_accepted(void **state)
{
	struct fixture *f = *state;

	f->behaviour = SINK_HAS_NOTHING_TO_DO;
	accept_token(f, NULL, "a");
	assert_int_equal(f->err.code, SSF_OK);
}

static void sets_of_others_are_refused_for_good(void **state)
{
	struct fixture *f = *state;
	ssf_auto_free char *text = token(f, NULL, "https://other.example", "a");
	struct set_inbox_item *item;
	struct ssf_err err;

	assert_int_equal(set_inbox_accept_start(&f->inbox, ssf_str_c(text), on_item, f, &item, &err),
			 -1);
	assert_int_equal(err.code, SSF_E_ISSUER);
	assert_false(set_inbox_is_transient(&err));
	assert_string_equal(set_inbox_error_code(&err), "invalid_issuer");
	assert_int_equal(set_inbox_accept_start(&f->inbox, SSF_STR("x"), on_item, f, &item, &err),
			 -1);
	assert_string_equal(set_inbox_error_code(&err), "invalid_request");
	accept_token(f, "unknown", "a"); /* its key is asked for once */
	assert_int_equal(f->err.code, SSF_E_KEY);
	assert_int_equal(f->started, 0);
}

static void cancelling_an_item_cancels_its_sink(void **state)
{
	struct fixture *f = *state;
	ssf_auto_free char *text = token(f, NULL, ISSUER, "held");
	struct set_inbox_item *item;
	struct ssf_err err;

	accept_token(f, NULL, "first");
	f->behaviour = SINK_HOLDS;
	f->ended = false;
	assert_int_equal(set_inbox_accept_start(&f->inbox, ssf_str_c(text), on_item, f, &item, &err),
			 0);
	f->behaviour = SINK_HOLDS;
	struct loop_timer *later = loop_timer_start(f->loop, 50, (loop_f *)loop_stop, f->loop);
	assert_non_null(later);
	loop_run(f->loop);
	assert_int_equal(f->started, 2);
	set_inbox_accept_cancel(item);
	assert_int_equal(f->cancelled, 1);
	assert_false(f->ended);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_set_reaches_the_sink_once),
		TEST(a_set_that_failed_comes_again),
		TEST(a_set_that_calls_for_nothing_is_accepted),
		TEST(sets_of_others_are_refused_for_good),
		TEST(cancelling_an_item_cancels_its_sink),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
