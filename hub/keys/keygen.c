/* SPDX-License-Identifier: Apache-2.0 */
/* Owns keys between making and sealing. They never leave this file unsealed. */
#include "hub/keys/keygen.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct keygen {
	const struct master_key *master;
	enum ssf_alg algs[KEYGEN_MAX];
	struct ssf_key *keys[KEYGEN_MAX];
	size_t count;
	int made;               /* result of the job */
	struct ssf_err err;
	struct pool_job *job;
	keygen_f *f;
	void *arg;
};

static void keygen_free(void *arg)
{
	struct keygen *g = arg;

	for (size_t i = 0; i < g->count; i++)
		ssf_key_free(g->keys[i]);
	free(g);
}

static void keygen_run(void *arg)
{
	struct keygen *g = arg;

	g->made = 0;
	for (size_t i = 0; g->made == 0 && i < g->count; i++)
		g->made = ssf_key_generate(g->algs[i], &g->keys[i], &g->err);
}

static int seal_key(const struct keygen *g, const struct ssf_key *key, json_t *out, struct ssf_err *err)
{
	ssf_auto_buf pem = SSF_BUF(64 * 1024);
	ssf_auto_buf sealed = SSF_BUF(128 * 1024);
	ssf_auto_free char *hex = NULL;
	json_t *item;

	if (ssf_key_to_private_pem(key, &pem, err) < 0 ||
	    seal(g->master, KEYGEN_CONTEXT, ssf_buf_str(&pem), &sealed, err) < 0)
		return -1;
	hex = malloc(2 * sealed.len + 1);
	if (hex == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "signing key");
	ssf_hex((const uint8_t *)sealed.ptr, sealed.len, hex);
	item = json_pack("{s:s, s:s, s:o, s:s}", "kid", ssf_key_kid(key), "alg",
			 ssf_alg_name(ssf_key_alg(key)), "public", ssf_key_to_jwk(key), "sealed", hex);
	if (json_array_append_new(out, item) < 0)
		return ssf_fail(err, SSF_E_NOMEM, "signing key");
	return 0;
}

static void keygen_done(void *arg)
{
	struct keygen *g = arg;
	json_t *keys = json_array();
	int r = g->made;

	for (size_t i = 0; r == 0 && i < g->count; i++)
		r = seal_key(g, g->keys[i], keys, &g->err);
	g->f(g->arg, r == 0 ? keys : NULL, r == 0 ? NULL : &g->err);
	json_decref(keys);
	keygen_free(g);
}

int keygen_start(const struct keygen_deps *deps, const enum ssf_alg *algs, size_t count, keygen_f *f,
		 void *arg, struct keygen **out, struct ssf_err *err)
{
	struct keygen *g = calloc(1, sizeof(*g));
	const struct pool_work job = { keygen_run, keygen_done, keygen_free, g, false };

	assert(count > 0 && count <= KEYGEN_MAX);
	if (g == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "signing key");
	g->master = deps->master;
	g->count = count;
	g->f = f;
	g->arg = arg;
	memcpy(g->algs, algs, count * sizeof(*algs));
	if (pool_submit(deps->pool, &job, &g->job, err) < 0) {
		keygen_free(g);
		return -1;
	}
	*out = g;
	return 0;
}

void keygen_cancel(struct keygen *g)
{
	if (g != NULL)
		pool_cancel(g->job); /* the job is dropped now, or when it has run */
}
