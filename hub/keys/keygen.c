/* SPDX-License-Identifier: Apache-2.0 */
/* Owns keys between making and sealing. They must never leave this file in the clear. */
#include "hub/keys/keygen.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct keygen {
	const struct master_key *master;
	enum ssf_alg algs[MINT_MAX];
	struct ssf_key *keys[MINT_MAX];
	size_t count;
	int made;               /* result of the job */
	struct ssf_err err;
	struct pool_job *job;
	keygen_f *f;
	void *arg;
};

static void mint_free(void *arg)
{
	struct keygen *m = arg;

	for (size_t i = 0; i < m->count; i++)
		ssf_key_free(m->keys[i]);
	free(m);
}

static void work(void *arg)
{
	struct keygen *m = arg;

	m->made = 0;
	for (size_t i = 0; m->made == 0 && i < m->count; i++)
		m->made = ssf_key_generate(m->algs[i], &m->keys[i], &m->err);
}

static int describe(const struct keygen *m, const struct ssf_key *key, json_t *out, struct ssf_err *err)
{
	ssf_auto_buf pem = SSF_BUF(64 * 1024);
	ssf_auto_buf sealed = SSF_BUF(128 * 1024);
	ssf_auto_free char *hex = NULL;
	json_t *item;

	if (ssf_key_to_private_pem(key, &pem, err) < 0 ||
	    seal(m->master, MINT_CONTEXT, ssf_buf_str(&pem), &sealed, err) < 0)
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

static void done(void *arg)
{
	struct keygen *m = arg;
	json_t *keys = json_array();
	int r = m->made;

	for (size_t i = 0; r == 0 && i < m->count; i++)
		r = describe(m, m->keys[i], keys, &m->err);
	m->f(m->arg, r == 0 ? keys : NULL, r == 0 ? NULL : &m->err);
	json_decref(keys);
	mint_free(m);
}

int keygen_start(struct pool *pool, const struct master_key *master, const enum ssf_alg *algs, size_t count,
	       keygen_f *f, void *arg, struct keygen **out, struct ssf_err *err)
{
	struct keygen *m = calloc(1, sizeof(*m));
	const struct pool_work job = { work, done, mint_free, m, false };

	assert(count > 0 && count <= MINT_MAX);
	if (m == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "signing key");
	m->master = master;
	m->count = count;
	m->f = f;
	m->arg = arg;
	memcpy(m->algs, algs, count * sizeof(*algs));
	if (pool_submit(pool, &job, &m->job, err) < 0) {
		mint_free(m);
		return -1;
	}
	*out = m;
	return 0;
}

void keygen_cancel(struct keygen *m)
{
	if (m != NULL)
		pool_cancel(m->job); /* drops it, now or when it has run */
}
