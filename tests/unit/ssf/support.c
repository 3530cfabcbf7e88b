/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the tests of lib/ssf; any trouble in here is a failed test. */
#include "tests/unit/ssf/support.h"

#include "lib/ssf/base64url.h"
#include "lib/ssf/json.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOKEN_MAX (1024 * 1024)

char *support_vector(const char *name)
{
	char path[1024];
	char chunk[4096];
	ssf_auto_buf text;
	size_t n;

	ssf_buf_init(&text, TOKEN_MAX);
	snprintf(path, sizeof(path), "%s/vectors/%s", TESTS_DIR, name);
	FILE *f = fopen(path, "rb");
	assert_non_null(f);
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		ssf_buf_add(&text, chunk, n);
	fclose(f);
	assert_true(text.len > 0);
	if (text.ptr[text.len - 1] == '\n')
		text.ptr[--text.len] = '\0';
	return ssf_buf_steal(&text);
}

json_t *support_json(const char *text)
{
	struct ssf_err err;
	json_t *value;

	if (ssf_json_parse(ssf_str_c(text), &ssf_json_default, &value, &err) < 0)
		fail_msg("%s in %s", err.msg, text);
	return value;
}

json_t *support_vector_json(const char *name)
{
	ssf_auto_free char *text = support_vector(name);

	return support_json(text);
}

struct ssf_key *support_key(enum ssf_alg alg)
{
	struct ssf_err err;
	struct ssf_key *key;

	if (ssf_key_generate(alg, &key, &err) < 0)
		fail_msg("%s", err.msg);
	return key;
}

struct ssf_key *support_public(const struct ssf_key *key)
{
	struct ssf_err err;
	struct ssf_key *public;
	json_auto_t *jwk = ssf_key_to_jwk(key);

	assert_non_null(jwk);
	if (ssf_key_from_jwk(jwk, &public, &err) < 0)
		fail_msg("%s", err.msg);
	return public;
}

static void add_signing_input(struct ssf_buf *out, const char *header, const char *payload)
{
	ssf_buf_init(out, TOKEN_MAX);
	ssf_base64url_encode(ssf_str_c(header), out);
	ssf_buf_addc(out, '.');
	ssf_base64url_encode(ssf_str_c(payload), out);
	assert_false(ssf_buf_failed(out));
}

static char *finish(struct ssf_buf *token, const unsigned char *signature, size_t len)
{
	ssf_buf_addc(token, '.');
	ssf_base64url_encode((struct ssf_str){ (const char *)signature, len }, token);
	return ssf_buf_steal(token);
}

char *support_token(const char *header, const char *payload, const struct ssf_key *rsa)
{
	unsigned char signature[1024];
	size_t len = sizeof(signature);
	ssf_auto_buf token;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	add_signing_input(&token, header, payload);
	assert_int_equal(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, ssf_key_pkey(rsa)), 1);
	assert_int_equal(EVP_DigestSign(ctx, signature, &len, (unsigned char *)token.ptr,
					token.len), 1);
	EVP_MD_CTX_free(ctx);
	return finish(&token, signature, len);
}

char *support_hmac_token(const char *header, const char *payload, const char *secret)
{
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	ssf_auto_buf token;

	add_signing_input(&token, header, payload);
	assert_non_null(HMAC(EVP_sha256(), secret, (int)strlen(secret), (unsigned char *)token.ptr,
			     token.len, mac, &len));
	return finish(&token, mac, len);
}

void support_assert_err(const struct ssf_err *err, enum ssf_code code, const char *part,
			const char *what)
{
	if (err->code != code || strstr(err->msg, part) == NULL)
		fail_msg("%s: got %s \"%s\", wanted %s \"%s\"", what,
			 ssf_code_info(err->code)->name, err->msg, ssf_code_info(code)->name, part);
}
