/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys and key sets. Everything that decides whether key material is good
 * enough is in inspect(): keys from JWK, from PEM and new ones all pass there.
 */
#include "lib/ssf/jwk.h"

#include "lib/ssf/base64url.h"
#include "lib/ssf/json.h"
#include "lib/ssf/ossl.h"

#include <openssl/core_names.h>
#include <openssl/pem.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define RSA_MIN_BITS 2048
#define RSA_MAX_BITS 8192
#define RSA_MAX_EXPONENT_BITS 32
#define EC_COORDINATE_LEN 32
#define KID_MAX 256
#define JWKS_MAX 64
#define PEM_MAX (16 * 1024)

struct ssf_key {
	atomic_uint refs;
	enum ssf_alg alg;
	bool private;
	char *kid;
	EVP_PKEY *pkey;
	EVP_PKEY_CTX *sign;   /* set up to sign, if it is private, and to verify; only ever copied */
	EVP_PKEY_CTX *verify;
};

struct ssf_jwks {
	size_t count;
	struct ssf_key *keys[JWKS_MAX];
};

const char *ssf_alg_name(enum ssf_alg alg)
{
	switch (alg) {
	case SSF_ALG_RS256:
		return "RS256";
	case SSF_ALG_ES256:
		return "ES256";
	case SSF_ALG_NONE:
		break;
	}
	return NULL;
}

enum ssf_alg ssf_alg_from_name(struct ssf_str name)
{
	if (ssf_str_eq_c(name, "RS256"))
		return SSF_ALG_RS256;
	if (ssf_str_eq_c(name, "ES256"))
		return SSF_ALG_ES256;
	return SSF_ALG_NONE;
}

struct ssf_key *ssf_key_ref(struct ssf_key *key)
{
	atomic_fetch_add_explicit(&key->refs, 1, memory_order_relaxed);
	return key;
}

void ssf_key_free(struct ssf_key *key)
{
	if (key == NULL || atomic_fetch_sub_explicit(&key->refs, 1, memory_order_acq_rel) > 1)
		return;
	EVP_PKEY_CTX_free(key->sign);
	EVP_PKEY_CTX_free(key->verify);
	EVP_PKEY_free(key->pkey);
	free(key->kid);
	free(key);
}

const char *ssf_key_kid(const struct ssf_key *key)
{
	return key->kid;
}

enum ssf_alg ssf_key_alg(const struct ssf_key *key)
{
	return key->alg;
}

bool ssf_key_is_private(const struct ssf_key *key)
{
	return key->private;
}

EVP_PKEY_CTX *ssf_key_sign_ctx(const struct ssf_key *key)
{
	return EVP_PKEY_CTX_dup(key->sign);
}

EVP_PKEY_CTX *ssf_key_verify_ctx(const struct ssf_key *key)
{
	return EVP_PKEY_CTX_dup(key->verify);
}

EVP_PKEY *ssf_key_pkey(const struct ssf_key *key)
{
	return key->pkey;
}

static int inspect_rsa(const EVP_PKEY *pkey, struct ssf_err *err)
{
	ossl_auto(BIGNUM) n = NULL;
	ossl_auto(BIGNUM) e = NULL;

	if (EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_N, &n) != 1 ||
	    EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_E, &e) != 1)
		return ssf_fail(err, SSF_E_KEY, "RSA key: no modulus or exponent");
	if (BN_num_bits(n) < RSA_MIN_BITS || BN_num_bits(n) > RSA_MAX_BITS || !BN_is_odd(n))
		return ssf_fail(err, SSF_E_KEY, "RSA modulus: not odd with %d to %d bits",
				RSA_MIN_BITS, RSA_MAX_BITS);
	if (BN_num_bits(e) > RSA_MAX_EXPONENT_BITS || BN_is_one(e) || !BN_is_odd(e))
		return ssf_fail(err, SSF_E_KEY, "RSA exponent: not odd with 2 to %d bits",
				RSA_MAX_EXPONENT_BITS);
	return 0;
}

static int inspect_ec(EVP_PKEY *pkey, struct ssf_err *err)
{
	char group[32];
	ossl_auto(EVP_PKEY_CTX) ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);

	if (ctx == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "EC key: out of memory");
	if (EVP_PKEY_get_group_name(pkey, group, sizeof(group), NULL) != 1 ||
	    strcmp(group, SN_X9_62_prime256v1) != 0)
		return ssf_fail(err, SSF_E_KEY, "EC key: not on P-256");
	if (EVP_PKEY_public_check(ctx) != 1)
		return ssf_fail(err, SSF_E_KEY, "EC key: not a point of its curve");
	return 0;
}

/* The algorithm that pkey may be used with, or NONE and err. */
static enum ssf_alg inspect(EVP_PKEY *pkey, struct ssf_err *err)
{
	if (EVP_PKEY_is_a(pkey, "RSA"))
		return inspect_rsa(pkey, err) == 0 ? SSF_ALG_RS256 : SSF_ALG_NONE;
	if (EVP_PKEY_is_a(pkey, "EC"))
		return inspect_ec(pkey, err) == 0 ? SSF_ALG_ES256 : SSF_ALG_NONE;
	ssf_fail(err, SSF_E_KEY, "key: neither RSA nor EC");
	return SSF_ALG_NONE;
}

/* One integer of pkey as base64url: len octets, or as few as it takes when len is 0. */
static json_t *integer_member(const EVP_PKEY *pkey, const char *param, size_t len)
{
	unsigned char octets[RSA_MAX_BITS / 8];
	ossl_auto(BIGNUM) number = NULL;
	ssf_auto_buf text = SSF_BUF(2 * sizeof(octets));

	if (EVP_PKEY_get_bn_param(pkey, param, &number) != 1)
		return NULL;
	if (len == 0)
		len = (size_t)BN_num_bytes(number);
	if (len > sizeof(octets) || BN_bn2binpad(number, octets, (int)len) < 0 ||
	    ssf_base64url_encode((struct ssf_str){ (char *)octets, len }, &text) < 0)
		return NULL;
	return json_stringn(text.ptr, text.len);
}

/* The members that RFC 7638 section 3.2 hashes: kty and the public parameters. */
static json_t *public_members(const EVP_PKEY *pkey, enum ssf_alg alg)
{
	if (alg == SSF_ALG_RS256)
		return json_pack("{s:s, s:o, s:o}", "kty", "RSA",
				 "n", integer_member(pkey, OSSL_PKEY_PARAM_RSA_N, 0),
				 "e", integer_member(pkey, OSSL_PKEY_PARAM_RSA_E, 0));
	return json_pack("{s:s, s:s, s:o, s:o}", "kty", "EC", "crv", "P-256",
			 "x", integer_member(pkey, OSSL_PKEY_PARAM_EC_PUB_X, EC_COORDINATE_LEN),
			 "y", integer_member(pkey, OSSL_PKEY_PARAM_EC_PUB_Y, EC_COORDINATE_LEN));
}

/* RFC 7638; the caller frees. NULL when out of memory. */
static char *thumbprint(const EVP_PKEY *pkey, enum ssf_alg alg)
{
	uint8_t digest[SSF_SHA256_LEN];
	json_auto_t *members = public_members(pkey, alg);
	ssf_auto_free char *text = members == NULL ? NULL : ssf_json_canonical(members);
	ssf_auto_buf out = SSF_BUF(2 * sizeof(digest));

	if (text == NULL)
		return NULL;
	ssf_sha256(ssf_str_c(text), digest);
	ssf_base64url_encode((struct ssf_str){ (char *)digest, sizeof(digest) }, &out);
	return ssf_buf_steal(&out);
}

/* Looking up what an operation needs costs as much as an ES256 signature: done once a key. */
static EVP_PKEY_CTX *set_up(EVP_PKEY *pkey, int (*init)(EVP_PKEY_CTX *ctx))
{
	ossl_auto(EVP_PKEY_CTX) ctx = EVP_PKEY_CTX_new(pkey, NULL);

	if (ctx == NULL || init(ctx) != 1 || EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) != 1)
		return NULL;
	return SSF_STEAL(ctx);
}

/* Takes pkey in every case. kid NULL: the thumbprint. */
static int key_new(EVP_PKEY *pkey, bool private, const char *kid, struct ssf_key **out,
		   struct ssf_err *err)
{
	ossl_auto(EVP_PKEY) owned = pkey;
	enum ssf_alg alg = inspect(pkey, err);

	if (alg == SSF_ALG_NONE)
		return -1;
	if (kid != NULL && strlen(kid) > KID_MAX)
		return ssf_fail(err, SSF_E_KEY, "kid: longer than %d bytes", KID_MAX);

	ssf_auto(ssf_key) key = calloc(1, sizeof(*key));
	if (key == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "key: out of memory");
	atomic_init(&key->refs, 1);
	key->alg = alg;
	key->private = private;
	key->pkey = SSF_STEAL(owned);
	key->kid = kid != NULL ? strdup(kid) : thumbprint(pkey, alg);
	if (key->kid == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "key: out of memory");
	key->verify = set_up(pkey, EVP_PKEY_verify_init);
	key->sign = private ? set_up(pkey, EVP_PKEY_sign_init) : NULL;
	if (key->verify == NULL || (private && key->sign == NULL))
		return ssf_fail(err, SSF_E_INTERNAL, "key: cannot be set up");
	*out = SSF_STEAL(key);
	return 0;
}

int ssf_key_generate(enum ssf_alg alg, struct ssf_key **out, struct ssf_err *err)
{
	OSSL_KEEP_ERRORS();
	EVP_PKEY *pkey = NULL;

	if (alg == SSF_ALG_RS256)
		pkey = EVP_RSA_gen(RSA_MIN_BITS);
	else if (alg == SSF_ALG_ES256)
		pkey = EVP_EC_gen("P-256");
	if (pkey == NULL)
		return ssf_fail(err, SSF_E_INTERNAL, "key generation failed");
	return key_new(pkey, true, NULL, out, err);
}

/* A base64url member into out. */
static int octets_member(const json_t *jwk, const char *name, struct ssf_buf *out,
			 struct ssf_err *err)
{
	const char *text;

	if (ssf_json_get_str(jwk, name, &text, err) < 0)
		return -1;
	if (strlen(text) * 3 / 4 > out->max - out->len)
		return ssf_fail(err, SSF_E_KEY, "%s: too long", name);
	if (ssf_base64url_decode(ssf_str_c(text), out, err) < 0)
		return ssf_fail_prefix(err, "%s", name);
	return 0;
}

/* Builds a public key from the parameters collected in bld. */
static int pkey_from_params(const char *type, OSSL_PARAM_BLD *bld, EVP_PKEY **out,
			    struct ssf_err *err)
{
	ossl_auto(EVP_PKEY_CTX) ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	ossl_auto(OSSL_PARAM) params = OSSL_PARAM_BLD_to_param(bld);

	if (ctx == NULL || params == NULL || EVP_PKEY_fromdata_init(ctx) != 1)
		return ssf_fail(err, SSF_E_NOMEM, "%s key: out of memory", type);
	if (EVP_PKEY_fromdata(ctx, out, EVP_PKEY_PUBLIC_KEY, params) != 1)
		return ssf_fail(err, SSF_E_KEY, "%s key: unusable parameters", type);
	return 0;
}

/* RFC 7518 section 6.3.1: big-endian, in the fewest octets. */
static int bignum_member(const json_t *jwk, const char *name, BIGNUM **out, struct ssf_err *err)
{
	ssf_auto_buf octets = SSF_BUF(RSA_MAX_BITS / 8);

	if (octets_member(jwk, name, &octets, err) < 0)
		return -1;
	if (octets.len == 0 || octets.ptr[0] == 0)
		return ssf_fail(err, SSF_E_KEY, "%s: empty or with leading zeros", name);
	*out = BN_bin2bn((const unsigned char *)octets.ptr, (int)octets.len, NULL);
	if (*out == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "%s: out of memory", name);
	return 0;
}

static int rsa_from_jwk(const json_t *jwk, EVP_PKEY **out, struct ssf_err *err)
{
	ossl_auto(BIGNUM) n = NULL;
	ossl_auto(BIGNUM) e = NULL;
	ossl_auto(OSSL_PARAM_BLD) bld = OSSL_PARAM_BLD_new();

	if (bignum_member(jwk, "n", &n, err) < 0 || bignum_member(jwk, "e", &e, err) < 0)
		return -1;
	if (bld == NULL || OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, n) != 1 ||
	    OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, e) != 1)
		return ssf_fail(err, SSF_E_NOMEM, "RSA key: out of memory");
	return pkey_from_params("RSA", bld, out, err);
}

static int ec_from_jwk(const json_t *jwk, EVP_PKEY **out, struct ssf_err *err)
{
	const char *crv;
	ssf_auto_buf point = SSF_BUF(1 + 2 * EC_COORDINATE_LEN);
	ossl_auto(OSSL_PARAM_BLD) bld = OSSL_PARAM_BLD_new();

	if (ssf_json_get_str(jwk, "crv", &crv, err) < 0)
		return -1;
	if (strcmp(crv, "P-256") != 0)
		return ssf_fail(err, SSF_E_KEY, "crv: not P-256");
	if (ssf_buf_addc(&point, POINT_CONVERSION_UNCOMPRESSED) < 0)
		return ssf_fail(err, SSF_E_NOMEM, "EC key: out of memory");
	if (octets_member(jwk, "x", &point, err) < 0)
		return -1;
	if (point.len != 1 + EC_COORDINATE_LEN)
		return ssf_fail(err, SSF_E_KEY, "x: not %d octets", EC_COORDINATE_LEN);
	if (octets_member(jwk, "y", &point, err) < 0)
		return -1;
	if (point.len != 1 + 2 * EC_COORDINATE_LEN)
		return ssf_fail(err, SSF_E_KEY, "y: not %d octets", EC_COORDINATE_LEN);
	if (bld == NULL ||
	    OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0) != 1 ||
	    OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point.ptr,
					     point.len) != 1)
		return ssf_fail(err, SSF_E_NOMEM, "EC key: out of memory");
	return pkey_from_params("EC", bld, out, err);
}

/* What the members around the parameters say about the key's purpose. */
static int check_purpose(const json_t *jwk, enum ssf_alg alg, struct ssf_err *err)
{
	static const char *const private_members[] = {
		"d", "p", "q", "dp", "dq", "qi", "oth", "k",
	};
	const char *use = "sig";
	const char *name = NULL;
	const json_t *ops = NULL;
	bool verify = false;

	for (size_t i = 0; i < SSF_ARRAY_SIZE(private_members); i++) {
		if (json_object_get(jwk, private_members[i]) != NULL)
			return ssf_fail(err, SSF_E_KEY, "%s: a private key is no key to publish",
					private_members[i]);
	}
	if (ssf_json_opt_str(jwk, "alg", &name, err) < 0 ||
	    ssf_json_opt_str(jwk, "use", &use, err) < 0 ||
	    ssf_json_opt_strings(jwk, "key_ops", 16, &ops, err) < 0)
		return -1;
	if (name != NULL && ssf_alg_from_name(ssf_str_c(name)) != alg)
		return ssf_fail(err, SSF_E_KEY, "alg: does not fit kty or is not supported");
	if (strcmp(use, "sig") != 0)
		return ssf_fail(err, SSF_E_KEY, "use: not sig");
	for (size_t i = 0; i < json_array_size(ops); i++)
		verify |= strcmp(json_string_value(json_array_get(ops, i)), "verify") == 0;
	if (ops != NULL && !verify)
		return ssf_fail(err, SSF_E_KEY, "key_ops: without verify");
	return 0;
}

int ssf_key_from_jwk(const json_t *jwk, struct ssf_key **out, struct ssf_err *err)
{
	OSSL_KEEP_ERRORS();
	const char *kty;
	const char *kid = NULL;
	ossl_auto(EVP_PKEY) pkey = NULL;

	if (ssf_json_get_str(jwk, "kty", &kty, err) < 0 ||
	    ssf_json_opt_str(jwk, "kid", &kid, err) < 0)
		return -1;
	if (kid != NULL && kid[0] == '\0')
		kid = NULL;
	if (strcmp(kty, "RSA") == 0) {
		if (check_purpose(jwk, SSF_ALG_RS256, err) < 0 || rsa_from_jwk(jwk, &pkey, err) < 0)
			return -1;
	} else if (strcmp(kty, "EC") == 0) {
		if (check_purpose(jwk, SSF_ALG_ES256, err) < 0 || ec_from_jwk(jwk, &pkey, err) < 0)
			return -1;
	} else {
		return ssf_fail(err, SSF_E_KEY, "kty: neither RSA nor EC");
	}
	return key_new(SSF_STEAL(pkey), false, kid, out, err);
}

/* One PEM block, decoded. The text before it (comments) is skipped. */
struct pem_block {
	char *name;
	char *header;
	unsigned char *der;
	long len;
};

static void pem_block_done(struct pem_block *block)
{
	OPENSSL_free(block->name);
	OPENSSL_free(block->header);
	OPENSSL_clear_free(block->der, (size_t)block->len);
}

int ssf_key_from_pem(struct ssf_str pem, const char *kid, struct ssf_key **out,
		     struct ssf_err *err)
{
	OSSL_KEEP_ERRORS();
	__attribute__((cleanup(pem_block_done))) struct pem_block block = { 0 };

	if (pem.len == 0 || pem.len > PEM_MAX)
		return ssf_fail(err, SSF_E_KEY, "PEM: empty or larger than %d bytes", PEM_MAX);
	ossl_auto(BIO) bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
	if (bio == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "PEM: out of memory");
	/* PEM_read_bio() does not decrypt: no passphrase is ever asked for */
	if (PEM_read_bio(bio, &block.name, &block.header, &block.der, &block.len) != 1)
		return ssf_fail(err, SSF_E_KEY, "PEM: no block");

	const unsigned char *der = block.der;
	EVP_PKEY *pkey = NULL;
	bool private = strcmp(block.name, PEM_STRING_PKCS8INF) == 0;
	if (private)
		pkey = d2i_AutoPrivateKey(NULL, &der, block.len);
	else if (strcmp(block.name, PEM_STRING_PUBLIC) == 0)
		pkey = d2i_PUBKEY(NULL, &der, block.len);
	if (pkey == NULL)
		return ssf_fail(err, SSF_E_KEY, "PEM: neither a public key nor unencrypted PKCS#8");
	return key_new(pkey, private, kid, out, err);
}

json_t *ssf_key_to_jwk(const struct ssf_key *key)
{
	OSSL_KEEP_ERRORS();
	json_auto_t *jwk = json_pack("{s:s, s:s, s:s}", "kid", key->kid, "alg",
				     ssf_alg_name(key->alg), "use", "sig");
	json_auto_t *members = public_members(key->pkey, key->alg);

	if (jwk == NULL || members == NULL || json_object_update(jwk, members) < 0)
		return NULL;
	return SSF_STEAL(jwk);
}

int ssf_key_to_private_pem(const struct ssf_key *key, struct ssf_buf *out, struct ssf_err *err)
{
	OSSL_KEEP_ERRORS();
	ossl_auto(BIO) bio = BIO_new(BIO_s_mem());
	char *pem;

	if (!key->private)
		return ssf_fail(err, SSF_E_KEY, "key: has no private half");
	if (bio == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "PEM: out of memory");
	if (PEM_write_bio_PKCS8PrivateKey(bio, key->pkey, NULL, NULL, 0, NULL, NULL) != 1)
		return ssf_fail(err, SSF_E_INTERNAL, "PEM: cannot write the key");
	long len = BIO_get_mem_data(bio, &pem);
	return ssf_buf_append(out, (struct ssf_str){ pem, (size_t)len }, err);
}

static int jwks_add(struct ssf_jwks *set, const json_t *jwk, struct ssf_err *err)
{
	struct ssf_err why;

	if (ssf_key_from_jwk(jwk, &set->keys[set->count], &why) == 0) {
		set->count++;
		return 0;
	}
	/* RFC 7517 section 5: a key that we cannot use does not spoil its neighbours */
	if (why.code != SSF_E_NOMEM)
		return 0;
	if (err != NULL)
		*err = why;
	return -1;
}

int ssf_jwks_parse(const json_t *doc, struct ssf_jwks **out, struct ssf_err *err)
{
	const json_t *keys = json_object_get(doc, "keys");
	ssf_auto(ssf_jwks) set = calloc(1, sizeof(*set));
	const json_t *jwk;
	size_t i;

	if (set == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "key set: out of memory");
	if (!json_is_array(keys))
		return ssf_fail(err, SSF_E_MALFORMED, "keys: not an array");
	if (json_array_size(keys) > JWKS_MAX)
		return ssf_fail(err, SSF_E_LIMIT, "keys: more than %d", JWKS_MAX);
	json_array_foreach(keys, i, jwk) {
		if (!json_is_object(jwk))
			return ssf_fail(err, SSF_E_MALFORMED, "keys[%zu]: not an object", i);
		if (jwks_add(set, jwk, err) < 0)
			return -1;
	}
	*out = SSF_STEAL(set);
	return 0;
}

void ssf_jwks_free(struct ssf_jwks *set)
{
	if (set == NULL)
		return;
	for (size_t i = 0; i < set->count; i++)
		ssf_key_free(set->keys[i]);
	free(set);
}

size_t ssf_jwks_count(const struct ssf_jwks *set)
{
	return set->count;
}

struct ssf_key *ssf_jwks_find(const struct ssf_jwks *set, struct ssf_str kid, enum ssf_alg alg)
{
	struct ssf_key *only = NULL;

	for (size_t i = 0; i < set->count; i++) {
		struct ssf_key *key = set->keys[i];
		if (key->alg != alg)
			continue;
		if (kid.len > 0 && ssf_str_eq_c(kid, key->kid))
			return key;
		if (kid.len == 0 && only != NULL)
			return NULL;
		only = key;
	}
	return kid.len == 0 ? only : NULL;
}
