/* SPDX-License-Identifier: Apache-2.0 */
/* Owns the parsed token, and one handle: the deferred check, or the wait for keys before it. */
#include "receivers/lib/verify.h"

#include "lib/ssf/jws.h"

#include <stdlib.h>
#include <string.h>

#define MAX_SKEW_S 60
#define ISSUER_MAX 2049

struct verify {
	const struct verify_policy *policy;
	struct ssf_jws jws;
	verify_done_f *done;
	void *arg;
	struct loop_defer *now;
	struct hub_keys_wait *wait;
};

static void verify_free(struct verify *v)
{
	loop_defer_cancel(v->now);
	hub_keys_wait_cancel(v->wait);
	ssf_jws_done(&v->jws);
	free(v);
}

static struct ssf_key *find_key(const struct verify *v)
{
	return hub_keys_find(v->policy->keys, ssf_str_c(v->jws.kid), v->jws.alg);
}

static int check_set(const struct verify *v, struct ssf_set *out, struct ssf_err *err)
{
	const struct ssf_set_policy policy = {
		.issuer = v->policy->issuer,
		.audience = v->policy->audience,
		.now = wall_now_ms() / 1000,
		.max_skew = MAX_SKEW_S,
	};
	struct ssf_key *key = find_key(v);

	if (key == NULL)
		return ssf_fail(err, SSF_E_KEY, "the hub has no key of this kid and alg");
	return ssf_set_verify(&v->jws, key, &policy, out, err);
}

static void verify_end(struct verify *v, const struct ssf_err *failed)
{
	struct ssf_set set = { 0 };
	struct ssf_err err;
	verify_done_f *done = v->done;
	void *arg = v->arg;

	if (failed == NULL && check_set(v, &set, &err) < 0)
		failed = &err;
	verify_free(v);
	done(arg, failed == NULL ? &set : NULL, failed);
	ssf_set_done(&set);
}

static void on_now(void *arg)
{
	struct verify *v = arg;

	v->now = NULL;
	verify_end(v, NULL);
}

static void on_keys(void *arg, const struct ssf_err *err)
{
	struct verify *v = arg;

	v->wait = NULL;
	verify_end(v, err);
}

static int check_issuer(struct verify *v, struct ssf_err *err)
{
	char issuer[ISSUER_MAX];

	if (ssf_set_peek_issuer(&v->jws, issuer, sizeof(issuer), err) < 0)
		return -1;
	if (strcmp(issuer, v->policy->issuer) != 0)
		return ssf_fail(err, SSF_E_ISSUER, "iss: not the hub's");
	return 0;
}

static int start_checks(struct loop *loop, struct verify *v, struct ssf_str token,
			struct ssf_err *err)
{
	if (ssf_jws_parse(token, &v->jws, err) < 0 || check_issuer(v, err) < 0)
		return -1;
	if (find_key(v) == NULL)
		return hub_keys_wait_start(v->policy->keys, on_keys, v, &v->wait, err);
	v->now = loop_defer_start(loop, on_now, v);
	return v->now == NULL ? ssf_fail(err, SSF_E_NOMEM, "verify: out of memory") : 0;
}

int verify_start(struct loop *loop, const struct verify_policy *policy, struct ssf_str token,
		 verify_done_f *done, void *arg, struct verify **out, struct ssf_err *err)
{
	struct verify *v = calloc(1, sizeof(*v));

	if (v == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "verify: out of memory");
	v->policy = policy;
	v->done = done;
	v->arg = arg;
	if (start_checks(loop, v, token, err) < 0) {
		verify_free(v);
		return -1;
	}
	*out = v;
	return 0;
}

void verify_cancel(struct verify *v)
{
	if (v != NULL)
		verify_free(v);
}
