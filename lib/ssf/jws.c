/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JWS compact serialization. ES256 signatures are r and s side by side in a
 * token (RFC 7518 section 3.4) and DER in OpenSSL; the conversion is here.
 */
#include "lib/ssf/jws.h"

#include "lib/ssf/base64url.h"
#include "lib/ssf/json.h"
#include "lib/ssf/ossl.h"

#include <string.h>

#define ES256_HALF 32
#define SIGNATURE_MAX 1024 /* RSA with 8192 bits */

static const struct ssf_json_limits header_limits = { .max_bytes = 16 * 1024, .max_depth = 8 };

static int decode_part(const char *name, struct ssf_str part, struct ssf_buf *out,
		       struct ssf_err *err)
{
	if (ssf_base64url_decode(part, out, err) < 0)
		return ssf_fail_prefix(err, "%s", name);
	return 0;
}

static int parse_header(struct ssf_str part, struct ssf_jws *jws, struct ssf_err *err)
{
	ssf_auto_buf text = SSF_BUF(header_limits.max_bytes);
	const char *alg = NULL;

	if (decode_part("header", part, &text, err) < 0)
		return -1;
	if (ssf_json_parse(ssf_buf_str(&text), &header_limits, &jws->header, err) < 0)
		return ssf_fail_prefix(err, "header");
	if (!json_is_object(jws->header))
		return ssf_fail(err, SSF_E_MALFORMED, "header: not an object");
	/* RFC 7515 section 4.1.11: extensions that we do not know are not ours to ignore */
	if (json_object_get(jws->header, "crit") != NULL)
		return ssf_fail(err, SSF_E_MALFORMED, "header: crit is not supported");
	if (json_object_get(jws->header, "b64") != NULL)
		return ssf_fail(err, SSF_E_MALFORMED, "header: b64 is not supported");
	if (ssf_json_opt_str(jws->header, "typ", &jws->typ, err) < 0 ||
	    ssf_json_opt_str(jws->header, "kid", &jws->kid, err) < 0 ||
	    ssf_json_opt_str(jws->header, "alg", &alg, err) < 0)
		return ssf_fail_prefix(err, "header");
	jws->alg = ssf_alg_from_name(ssf_str_c(alg));
	if (jws->alg == SSF_ALG_NONE)
		return ssf_fail(err, SSF_E_KEY, "header: alg is missing or not supported");
	return 0;
}

int ssf_jws_parse(struct ssf_str token, struct ssf_jws *out, struct ssf_err *err)
{
	__attribute__((cleanup(ssf_jws_done))) struct ssf_jws jws = { 0 };

	if (token.len > SSF_JWS_MAX)
		return ssf_fail(err, SSF_E_LIMIT, "token: larger than %d bytes", SSF_JWS_MAX);
	if (token.len == 0)
		return ssf_fail(err, SSF_E_MALFORMED, "token: empty");
	const char *end = token.ptr + token.len;
	const char *dot1 = memchr(token.ptr, '.', token.len);
	const char *dot2 = dot1 == NULL ? NULL : memchr(dot1 + 1, '.', (size_t)(end - dot1 - 1));
	if (dot2 == NULL || memchr(dot2 + 1, '.', (size_t)(end - dot2 - 1)) != NULL)
		return ssf_fail(err, SSF_E_MALFORMED, "token: not three parts");

	struct ssf_str header = { token.ptr, (size_t)(dot1 - token.ptr) };
	struct ssf_str payload = { dot1 + 1, (size_t)(dot2 - dot1 - 1) };
	struct ssf_str signature = { dot2 + 1, (size_t)(end - dot2 - 1) };
	ssf_buf_init(&jws.payload, SSF_JWS_MAX);
	ssf_buf_init(&jws.signature, SIGNATURE_MAX);
	jws.signing_input = (struct ssf_str){ token.ptr, (size_t)(dot2 - token.ptr) };
	if (parse_header(header, &jws, err) < 0 ||
	    decode_part("payload", payload, &jws.payload, err) < 0 ||
	    decode_part("signature", signature, &jws.signature, err) < 0)
		return -1;
	*out = jws;
	jws = (struct ssf_jws){ 0 };
	return 0;
}

void ssf_jws_done(struct ssf_jws *jws)
{
	json_decref(jws->header);
	json_decref(jws->claims);
	ssf_buf_done(&jws->payload);
	ssf_buf_done(&jws->signature);
	*jws = (struct ssf_jws){ 0 };
}

/* A DER signature from OpenSSL, released as such. */
struct der {
	unsigned char *ptr;
	size_t len;
};

static void der_done(struct der *der)
{
	OPENSSL_free(der->ptr);
}

/* raw has 2 * ES256_HALF bytes. */
static int es256_to_der(struct ssf_str raw, struct der *out)
{
	const unsigned char *octets = (const unsigned char *)raw.ptr;
	ossl_auto(ECDSA_SIG) sig = ECDSA_SIG_new();

	if (sig == NULL)
		return -1;
	ossl_auto(BIGNUM) r = BN_bin2bn(octets, ES256_HALF, NULL);
	ossl_auto(BIGNUM) s = BN_bin2bn(octets + ES256_HALF, ES256_HALF, NULL);
	if (r == NULL || s == NULL || ECDSA_SIG_set0(sig, r, s) != 1)
		return -1;
	r = NULL;
	s = NULL;
	int len = i2d_ECDSA_SIG(sig, &out->ptr);
	if (len <= 0)
		return -1;
	out->len = (size_t)len;
	return 0;
}

static int es256_from_der(const unsigned char *der, size_t len,
			  unsigned char raw[2 * ES256_HALF])
{
	ossl_auto(ECDSA_SIG) sig = d2i_ECDSA_SIG(NULL, &der, (long)len);

	if (sig == NULL || BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw, ES256_HALF) < 0 ||
	    BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw + ES256_HALF, ES256_HALF) < 0)
		return -1;
	return 0;
}

int ssf_jws_verify(const struct ssf_jws *jws, const struct ssf_key *key, struct ssf_err *err)
{
	OSSL_KEEP_ERRORS();
	struct ssf_str signature = ssf_buf_str(&jws->signature);
	__attribute__((cleanup(der_done))) struct der der = { 0 };
	ossl_auto(EVP_PKEY_CTX) ctx = NULL;
	uint8_t digest[SSF_SHA256_LEN];

	if (jws->alg == SSF_ALG_NONE || jws->alg != ssf_key_alg(key))
		return ssf_fail(err, SSF_E_KEY, "header: alg is not that of the key");
	ctx = ssf_key_verify_ctx(key);
	if (ctx == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "signature: out of memory");
	if (jws->alg == SSF_ALG_ES256) {
		if (signature.len != 2 * ES256_HALF)
			return ssf_fail(err, SSF_E_SIGNATURE, "signature: not %d octets",
					2 * ES256_HALF);
		if (es256_to_der(signature, &der) < 0)
			return ssf_fail(err, SSF_E_NOMEM, "signature: out of memory");
		signature = (struct ssf_str){ (const char *)der.ptr, der.len };
	}
	ssf_sha256(jws->signing_input, digest);
	if (EVP_PKEY_verify(ctx, (const unsigned char *)signature.ptr, signature.len, digest,
			    sizeof(digest)) != 1)
		return ssf_fail(err, SSF_E_SIGNATURE, "signature: does not verify");
	return 0;
}

/* The raw signature of input as a token carries it; out is empty. */
static int sign_raw(const struct ssf_key *key, struct ssf_str input, struct ssf_buf *out,
		    struct ssf_err *err)
{
	OSSL_KEEP_ERRORS();
	unsigned char sig[SIGNATURE_MAX];
	unsigned char raw[2 * ES256_HALF];
	uint8_t digest[SSF_SHA256_LEN];
	size_t len = sizeof(sig);
	ossl_auto(EVP_PKEY_CTX) ctx = ssf_key_sign_ctx(key);

	ssf_sha256(input, digest);
	if (ctx == NULL || EVP_PKEY_sign(ctx, sig, &len, digest, sizeof(digest)) != 1)
		return ssf_fail(err, SSF_E_INTERNAL, "signature: cannot sign");
	if (ssf_key_alg(key) == SSF_ALG_RS256)
		return ssf_buf_append(out, (struct ssf_str){ (char *)sig, len }, err);
	if (es256_from_der(sig, len, raw) < 0)
		return ssf_fail(err, SSF_E_INTERNAL, "signature: cannot convert");
	return ssf_buf_append(out, (struct ssf_str){ (char *)raw, sizeof(raw) }, err);
}

/* The text as a JSON string. Those of keys and types are nearly always plain. */
static int add_string(struct ssf_buf *out, const char *text)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.+:";
	ssf_auto_free char *escaped = NULL;

	if (text[strspn(text, plain)] == '\0')
		return ssf_buf_addf(out, "\"%s\"", text);
	json_auto_t *string = json_string(text);
	escaped = string != NULL ? json_dumps(string, JSON_ENCODE_ANY) : NULL;
	return escaped != NULL ? ssf_buf_adds(out, escaped) : -1;
}

static int add_header(struct ssf_buf *token, const struct ssf_key *key, const char *typ,
		      struct ssf_err *err)
{
	ssf_auto_buf header = SSF_BUF(header_limits.max_bytes);

	ssf_buf_addf(&header, "{\"alg\":\"%s\",\"kid\":", ssf_alg_name(ssf_key_alg(key)));
	if (add_string(&header, ssf_key_kid(key)) < 0 ||
	    (typ != NULL && (ssf_buf_adds(&header, ",\"typ\":") < 0 || add_string(&header, typ) < 0)) ||
	    ssf_buf_addc(&header, '}') < 0)
		return ssf_fail(err, SSF_E_NOMEM, "header: out of memory");
	return ssf_base64url_encode(ssf_buf_str(&header), token);
}

int ssf_jws_sign(const struct ssf_key *key, const char *typ, struct ssf_str payload,
		 struct ssf_buf *out, struct ssf_err *err)
{
	ssf_auto_buf token = SSF_BUF(2 * SSF_JWS_MAX);
	ssf_auto_buf signature = SSF_BUF(SIGNATURE_MAX);

	if (!ssf_key_is_private(key))
		return ssf_fail(err, SSF_E_KEY, "key: has no private half");
	if (payload.len > SSF_JWS_MAX)
		return ssf_fail(err, SSF_E_LIMIT, "payload: larger than %d bytes", SSF_JWS_MAX);
	if (add_header(&token, key, typ, err) < 0)
		return -1;
	ssf_buf_addc(&token, '.');
	ssf_base64url_encode(payload, &token);
	if (ssf_buf_failed(&token))
		return ssf_fail(err, SSF_E_NOMEM, "token: out of memory");
	if (sign_raw(key, ssf_buf_str(&token), &signature, err) < 0)
		return -1;
	ssf_buf_addc(&token, '.');
	ssf_base64url_encode(ssf_buf_str(&signature), &token);
	if (ssf_buf_failed(&token))
		return ssf_fail(err, SSF_E_NOMEM, "token: out of memory");
	if (token.len > SSF_JWS_MAX)
		return ssf_fail(err, SSF_E_LIMIT, "token: larger than %d bytes", SSF_JWS_MAX);
	return ssf_buf_append(out, ssf_buf_str(&token), err);
}
