/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the private keys, parsed, and the cache of signed SETs. Signing work that crosses into the
 * pool carries the claims as bytes and a reference to the key, nothing else.
 */
#include "hub/keys/keys.h"

#include "lib/kit/log.h"
#include "lib/ssf/b64.h"
#include "lib/ssf/set.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define CACHE_SLOTS 4096 /* signed SETs kept; one of about 1 KiB each */
#define RETRY_MS 500
#define KEYS_MAX 64 /* of all in the JWKS: what ssf_jwks_parse() takes */

static const enum ssf_alg algs[] = { SSF_ALG_RS256, SSF_ALG_ES256 };

/* A signed SET, by what decides its bytes. */
struct cached {
	int64_t seq;
	enum ssf_alg alg;
	char *audience;
	char *set;
	size_t len;
};

/* What the pool works on. */
struct sign_work {
	struct ssf_key *key;
	struct ssf_buf claims;
	struct ssf_buf set;
	struct ssf_err err;
	int result;
	struct keys_sign *owner;
};

struct keys_sign {
	LIST_ENTRY(keys_sign) link;
	struct keys *keys;
	int64_t seq;
	enum ssf_alg alg;
	char *audience;
	keys_signed_f *f;
	void *arg;
	struct pool_job *job;
	struct loop_defer *defer;  /* answered from the cache, or signed at once */
	struct sign_work *work;    /* ours unless it is in the pool */
};

struct keys {
	struct loop *loop;
	struct db *db;
	struct pool *pool;
	const struct master_key *master;
	const char *issuer;
	loop_f *ready;
	void *ready_arg;
	struct ssf_key *by_alg[SSF_ARRAY_SIZE(algs)]; /* that signs now */
	struct ssf_key *all[KEYS_MAX];
	size_t count;
	json_t *jwks;                 /* array of their public halves */
	struct db_op *op;
	struct pool_job *making;
	struct loop_timer *retry;
	EVP_CIPHER_CTX *encrypt, *decrypt;
	struct cached cache[CACHE_SLOTS];
	LIST_HEAD(, keys_sign) signs;
	bool stopped;
	bool locked_out;
};

/* --- jti -------------------------------------------------------------------------------- */

/* The block: seq, then the start of the audience's digest. */
static void jti_block(int64_t seq, const char *audience, uint8_t block[16])
{
	uint8_t digest[SSF_SHA256_LEN];

	for (int i = 0; i < 8; i++)
		block[i] = (uint8_t)((uint64_t)seq >> (56 - 8 * i));
	ssf_sha256(ssf_str_c(audience), digest);
	memcpy(block + 8, digest, 8);
}

void keys_jti(const struct keys *k, int64_t seq, const char *audience, char out[KEYS_JTI_LEN])
{
	uint8_t block[16], sealed[16];
	ssf_auto_buf text = SSF_BUF(KEYS_JTI_LEN);
	int n = 0;

	jti_block(seq, audience, block);
	EVP_EncryptUpdate(k->encrypt, sealed, &n, block, sizeof(block));
	ssf_b64url_encode((struct ssf_str){ (const char *)sealed, sizeof(sealed) }, &text);
	memcpy(out, text.ptr, KEYS_JTI_LEN);
}

int keys_jti_seq(const struct keys *k, struct ssf_str jti, const char *audience, int64_t *seq)
{
	uint8_t block[16], expected[16];
	ssf_auto_buf raw = SSF_BUF(sizeof(block));
	uint64_t value = 0;
	int n = 0;

	if (jti.len != KEYS_JTI_LEN - 1 || ssf_b64url_decode(jti, &raw, NULL) < 0 ||
	    raw.len != sizeof(block))
		return -1;
	EVP_DecryptUpdate(k->decrypt, block, &n, (const uint8_t *)raw.ptr, sizeof(block));
	for (int i = 0; i < 8; i++)
		value = value << 8 | block[i];
	jti_block((int64_t)value, audience, expected);
	if (CRYPTO_memcmp(block, expected, sizeof(block)) != 0)
		return -1;
	*seq = (int64_t)value;
	return 0;
}

static EVP_CIPHER_CTX *jti_cipher(const uint8_t key[DERIVED_KEY_LEN], int encrypt)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

	/* exactly one block of unique contents a call: ECB is the block cipher itself */
	if (ctx == NULL ||
	    EVP_CipherInit_ex(ctx, EVP_aes_256_ecb(), NULL, key, NULL, encrypt) != 1 ||
	    EVP_CIPHER_CTX_set_padding(ctx, 0) != 1) {
		EVP_CIPHER_CTX_free(ctx);
		return NULL;
	}
	return ctx;
}

/* --- loading and making keys ------------------------------------------------------------ */

static void load(void *arg);
static void sign_finish(struct keys_sign *s, struct ssf_str set, const struct ssf_err *err);

static void retry_later(struct keys *k, const struct ssf_err *err)
{
	log_warn("keys.load.failed", log_why(err));
	k->retry = loop_timer_start(k->loop, RETRY_MS, load, k);
}

static void on_stored(void *arg, const struct db_result *r, const struct ssf_err *err)
{
	struct keys *k = arg;

	(void)r;
	k->op = NULL;
	if (err != NULL)
		retry_later(k, err);
	else
		load(k); /* read back what is stored, so that two hubs agree */
}

struct make_work {
	struct keys *keys;
	enum ssf_alg alg;
	struct ssf_key *key;
	struct ssf_err err;
};

static void make_in_pool(void *arg)
{
	struct make_work *w = arg;

	if (ssf_key_generate(w->alg, &w->key, &w->err) < 0)
		w->key = NULL;
}

static void make_drop(void *arg)
{
	struct make_work *w = arg;

	ssf_key_free(w->key);
	free(w);
}

static int store_key(struct keys *k, const struct ssf_key *key, struct ssf_err *err)
{
	ssf_auto_buf pem = SSF_BUF(64 * 1024);
	ssf_auto_buf sealed = SSF_BUF(128 * 1024);
	ssf_auto_free char *hex = NULL;
	ssf_auto_free char *public = NULL;
	json_t *jwk = ssf_key_to_jwk(key);

	public = jwk != NULL ? json_dumps(jwk, JSON_COMPACT) : NULL;
	json_decref(jwk);
	if (public == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "signing key");
	if (ssf_key_to_private_pem(key, &pem, err) < 0 ||
	    seal(k->master, "signing-key", ssf_buf_str(&pem), &sealed, err) < 0)
		return -1;
	hex = malloc(2 * sealed.len + 1);
	if (hex == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "signing key");
	ssf_hex((const uint8_t *)sealed.ptr, sealed.len, hex);
	const char *params[] = { ssf_key_kid(key), ssf_alg_name(ssf_key_alg(key)), public, hex };
	return db_exec(k->db, STMT_signing_key_add, params, on_stored, k, &k->op, err);
}

static void make_done(void *arg)
{
	struct make_work *w = arg;
	struct keys *k = w->keys;
	struct ssf_err err = w->err;

	k->making = NULL;
	if (w->key == NULL || store_key(k, w->key, &err) < 0)
		retry_later(k, &err);
	make_drop(w);
}

static void make_key(struct keys *k, enum ssf_alg alg)
{
	struct make_work *w = calloc(1, sizeof(*w));
	struct pool_work work = { make_in_pool, make_done, make_drop, w };
	struct ssf_err err;

	if (w == NULL) {
		ssf_fail(&err, SSF_E_NOMEM, "signing key");
		retry_later(k, &err);
		return;
	}
	w->keys = k;
	w->alg = alg;
	if (pool_submit(k->pool, &work, &k->making, &err) < 0) {
		free(w);
		retry_later(k, &err);
	}
}

static int load_row(struct keys *k, const struct db_result *r, size_t row, struct ssf_err *err)
{
	const char *kid = db_text(r, row, 0), *hex = db_text(r, row, 2);
	size_t len = strlen(hex) / 2;
	ssf_auto_free uint8_t *sealed = malloc(len + 1);
	ssf_auto_buf pem = SSF_BUF(64 * 1024);
	ssf_auto(ssf_key) key = NULL;

	if (sealed == NULL || ssf_unhex(ssf_str_c(hex), sealed, len) < 0)
		return ssf_fail(err, SSF_E_NOMEM, "signing key");
	if (unseal(k->master, "signing-key", (struct ssf_str){ (char *)sealed, len }, &pem, err) < 0 ||
	    ssf_key_from_pem(ssf_buf_str(&pem), kid, &key, err) < 0)
		return -1;
	if (k->count == KEYS_MAX)
		return ssf_fail(err, SSF_E_LIMIT, "more than %d signing keys", KEYS_MAX);
	json_array_append_new(k->jwks, ssf_key_to_jwk(key));
	for (size_t i = 0; i < SSF_ARRAY_SIZE(algs); i++) {
		if (algs[i] == ssf_key_alg(key) && k->by_alg[i] == NULL)
			k->by_alg[i] = ssf_key_ref(key);
	}
	k->all[k->count++] = SSF_STEAL(key);
	return 0;
}

static void forget(struct keys *k)
{
	json_array_clear(k->jwks);
	while (k->count > 0)
		ssf_key_free(k->all[--k->count]);
	for (size_t i = 0; i < SSF_ARRAY_SIZE(algs); i++)
		ssf_key_free(SSF_STEAL(k->by_alg[i]));
}

static void on_loaded(void *arg, const struct db_result *r, const struct ssf_err *err)
{
	struct keys *k = arg;
	struct ssf_err why;

	k->op = NULL;
	if (err != NULL) {
		retry_later(k, err);
		return;
	}
	forget(k);
	for (size_t row = 0; row < db_rows(r); row++) {
		if (load_row(k, r, row, &why) < 0)
			log_error("keys.load.unusable", log_str("kid", db_text(r, row, 0)),
				  log_why(&why));
	}
	if (db_rows(r) > 0 && json_array_size(k->jwks) == 0) {
		/* new keys and jtis beside the old ones would help nobody */
		k->locked_out = true;
		return;
	}
	for (size_t i = 0; i < SSF_ARRAY_SIZE(algs); i++) {
		if (k->by_alg[i] == NULL) {
			make_key(k, algs[i]);
			return;
		}
	}
	k->ready(k->ready_arg);
}

static void load(void *arg)
{
	struct keys *k = arg;
	struct ssf_err err;

	k->retry = NULL;
	if (db_exec(k->db, STMT_signing_keys, NULL, on_loaded, k, &k->op, &err) < 0)
		k->retry = loop_timer_start(k->loop, RETRY_MS / 10, load, k);
}

int keys_new(struct loop *loop, struct db *db, struct pool *pool, const struct master_key *master,
	     const char *issuer, loop_f *ready, void *arg, struct keys **out, struct ssf_err *err)
{
	struct keys *k = calloc(1, sizeof(*k));
	uint8_t jti_key[DERIVED_KEY_LEN];

	if (k == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "keys");
	*k = (struct keys){ .loop = loop, .db = db, .pool = pool, .master = master,
			    .issuer = issuer, .ready = ready, .ready_arg = arg };
	LIST_INIT(&k->signs);
	k->jwks = json_array();
	if (master_key_derive(master, "jti", jti_key, err) < 0) {
		keys_free(k);
		return -1;
	}
	k->encrypt = jti_cipher(jti_key, 1);
	k->decrypt = jti_cipher(jti_key, 0);
	OPENSSL_cleanse(jti_key, sizeof(jti_key));
	k->retry = loop_timer_start(loop, 0, load, k);
	if (k->jwks == NULL || k->encrypt == NULL || k->decrypt == NULL || k->retry == NULL) {
		keys_free(k);
		return ssf_fail(err, SSF_E_NOMEM, "keys");
	}
	*out = k;
	return 0;
}

void keys_stop(struct keys *k)
{
	struct ssf_err err;

	if (k == NULL)
		return;
	k->stopped = true;
	ssf_fail(&err, SSF_E_UNAVAILABLE, "shutting down");
	while (!LIST_EMPTY(&k->signs)) {
		struct keys_sign *s = LIST_FIRST(&k->signs);
		if (s->job != NULL)
			pool_cancel(s->job);
		sign_finish(s, (struct ssf_str){ NULL, 0 }, &err);
	}
}

void keys_free(struct keys *k)
{
	if (k == NULL)
		return;
	while (!LIST_EMPTY(&k->signs))
		keys_sign_cancel(LIST_FIRST(&k->signs));
	if (k->making != NULL)
		pool_cancel(k->making);
	db_cancel(k->op);
	loop_timer_cancel(k->retry);
	forget(k);
	for (size_t i = 0; i < CACHE_SLOTS; i++) {
		free(k->cache[i].audience);
		free(k->cache[i].set);
	}
	json_decref(k->jwks);
	EVP_CIPHER_CTX_free(k->encrypt);
	EVP_CIPHER_CTX_free(k->decrypt);
	free(k);
}

bool keys_locked_out(const struct keys *k)
{
	return k->locked_out;
}

json_t *keys_jwks(const struct keys *k)
{
	return json_pack("{s:O}", "keys", k->jwks);
}

const struct ssf_key *keys_find(const struct keys *k, struct ssf_str kid, enum ssf_alg alg)
{
	for (size_t i = 0; i < k->count; i++) {
		if (ssf_key_alg(k->all[i]) == alg && ssf_str_eq_c(kid, ssf_key_kid(k->all[i])))
			return k->all[i];
	}
	return NULL;
}

/* --- signing ---------------------------------------------------------------------------- */

static struct cached *cache_slot(struct keys *k, int64_t seq, enum ssf_alg alg, const char *aud)
{
	uint64_t h = (uint64_t)seq * 0x9e3779b97f4a7c15u + (uint64_t)alg;

	for (const char *c = aud; *c != '\0'; c++)
		h = (h ^ (uint8_t)*c) * 0x100000001b3u;
	return &k->cache[(h >> 17) % CACHE_SLOTS];
}

static struct cached *cache_find(struct keys *k, int64_t seq, enum ssf_alg alg, const char *aud)
{
	struct cached *c = cache_slot(k, seq, alg, aud);

	if (c->set == NULL || c->seq != seq || c->alg != alg || strcmp(c->audience, aud) != 0)
		return NULL;
	return c;
}

static void cache_put(const struct keys_sign *s, struct ssf_str set)
{
	struct cached *c = cache_slot(s->keys, s->seq, s->alg, s->audience);
	struct cached fresh = { .seq = s->seq, .alg = s->alg, .len = set.len };

	fresh.audience = strdup(s->audience);
	fresh.set = ssf_str_dup(set);
	if (fresh.audience == NULL || fresh.set == NULL) { /* only a cache */
		free(fresh.audience);
		free(fresh.set);
		return;
	}
	free(c->audience);
	free(c->set);
	*c = fresh;
}

static void work_free(struct sign_work *w)
{
	if (w == NULL)
		return;
	ssf_key_free(w->key);
	ssf_buf_done(&w->claims);
	ssf_buf_done(&w->set);
	free(w);
}

static void sign_free(struct keys_sign *s)
{
	LIST_REMOVE(s, link);
	loop_defer_cancel(s->defer);
	work_free(s->work);
	free(s->audience);
	free(s);
}

static void sign_finish(struct keys_sign *s, struct ssf_str set, const struct ssf_err *err)
{
	keys_signed_f *f = s->f;
	void *arg = s->arg;

	f(arg, set, err);
	sign_free(s);
}

static void work_run(void *arg)
{
	struct sign_work *w = arg;

	w->result = ssf_jws_sign(w->key, SSF_SET_TYP, ssf_buf_str(&w->claims), &w->set, &w->err);
}

static void on_signed(struct keys_sign *s, struct sign_work *w)
{
	if (w->result == 0)
		cache_put(s, ssf_buf_str(&w->set));
	sign_finish(s, w->result == 0 ? ssf_buf_str(&w->set) : (struct ssf_str){ NULL, 0 },
		    w->result == 0 ? NULL : &w->err);
}

static void work_done(void *arg)
{
	struct sign_work *w = arg;
	struct keys_sign *s = w->owner;

	s->job = NULL;
	s->work = w;
	on_signed(s, w);
}

static void work_drop(void *arg)
{
	work_free(arg);
}

static void on_sign_now(void *arg)
{
	struct keys_sign *s = arg;
	struct cached *c = s->work == NULL ? cache_find(s->keys, s->seq, s->alg, s->audience) : NULL;
	struct ssf_err err;

	s->defer = NULL;
	if (s->work != NULL) {
		work_run(s->work);
		on_signed(s, s->work);
	} else if (c != NULL) {
		sign_finish(s, (struct ssf_str){ c->set, c->len }, NULL);
	} else { /* pushed out of the cache since */
		ssf_fail(&err, SSF_E_BUSY, "signed SET: try again");
		sign_finish(s, (struct ssf_str){ NULL, 0 }, &err);
	}
}

static struct ssf_key *signing_key(const struct keys *k, enum ssf_alg alg)
{
	for (size_t i = 0; i < SSF_ARRAY_SIZE(algs); i++) {
		if (algs[i] == alg)
			return k->by_alg[i];
	}
	return NULL;
}

int keys_sign_now(struct keys *k, const char *typ, struct ssf_str payload, struct ssf_buf *out,
		  struct ssf_err *err)
{
	const struct ssf_key *key = signing_key(k, SSF_ALG_ES256);

	if (key == NULL || k->stopped)
		return ssf_fail(err, SSF_E_UNAVAILABLE, "no signing key");
	return ssf_jws_sign(key, typ, payload, out, err);
}

static int work_new(struct keys *k, const struct event *e, const char *audience, enum ssf_alg alg,
		    struct sign_work **out, struct ssf_err *err)
{
	struct ssf_key *key = signing_key(k, alg);
	char jti[KEYS_JTI_LEN];
	struct sign_work *w;

	if (key == NULL)
		return ssf_fail(err, SSF_E_UNAVAILABLE, "no signing key yet");
	w = calloc(1, sizeof(*w));
	if (w == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "SET");
	ssf_buf_init(&w->claims, SSF_JWS_MAX / 2);
	ssf_buf_init(&w->set, SSF_JWS_MAX);
	w->key = ssf_key_ref(key);
	keys_jti(k, e->seq, audience, jti);
	struct ssf_set_spec spec = {
		.iss = k->issuer,
		.aud = audience,
		.jti = jti,
		.txn = e->txn,
		.iat = e->at_ms / 1000,
		.sub_id = e->sub_id,
		.event_uri = e->type,
		.event_claims = e->body,
	};
	if (ssf_set_compose(&spec, &w->claims, err) < 0) {
		work_free(w);
		return -1;
	}
	*out = w;
	return 0;
}

int keys_sign_start(struct keys *k, const struct event *e, const char *audience, enum ssf_alg alg,
		    keys_signed_f *f, void *arg, struct keys_sign **out, struct ssf_err *err)
{
	struct sign_work *w = NULL;
	struct keys_sign *s;
	bool cached = cache_find(k, e->seq, alg, audience) != NULL;

	if (k->stopped)
		return ssf_fail(err, SSF_E_UNAVAILABLE, "shutting down");

	if (!cached && work_new(k, e, audience, alg, &w, err) < 0)
		return -1;
	s = calloc(1, sizeof(*s));
	if (s == NULL || (s->audience = strdup(audience)) == NULL) {
		free(s);
		work_free(w);
		return ssf_fail(err, SSF_E_NOMEM, "SET");
	}
	s->keys = k;
	s->seq = e->seq;
	s->alg = alg;
	s->f = f;
	s->arg = arg;
	LIST_INSERT_HEAD(&k->signs, s, link);
	if (!cached && alg == SSF_ALG_RS256) {
		/* some 250 us: not on the loop */
		struct pool_work work = { work_run, work_done, work_drop, w };
		w->owner = s;
		if (pool_submit(k->pool, &work, &s->job, err) < 0) {
			work_free(w);
			sign_free(s);
			return -1;
		}
	} else {
		s->work = w;
		s->defer = loop_defer_start(k->loop, on_sign_now, s);
	}
	*out = s;
	return 0;
}

void keys_sign_cancel(struct keys_sign *s)
{
	if (s == NULL)
		return;
	if (s->job != NULL)
		pool_cancel(s->job); /* drops the work, now or when it has run */
	sign_free(s);
}
