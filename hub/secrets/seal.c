/* SPDX-License-Identifier: Apache-2.0 */
/* Owns the master key. Only sealed text and derived keys leave this file. */
#include "hub/secrets/seal.h"

#include "lib/kit/file.h"
#include "lib/ssf/base64url.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/core_names.h>
#include <openssl/rand.h>

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define NONCE_LEN 12
#define TAG_LEN 16
#define SECRET_MAX (64 * 1024)

struct master_key {
	uint8_t bytes[DERIVED_KEY_LEN];
};

static void cipher_autop(EVP_CIPHER_CTX **p)
{
	EVP_CIPHER_CTX_free(*p);
}

static int master_key_make(const char *path, struct master_key *k, struct ssf_err *err)
{
	char hex[2 * sizeof(k->bytes) + 2];
	int r;

	if (RAND_priv_bytes(k->bytes, sizeof(k->bytes)) != 1)
		return ssf_fail(err, SSF_E_INTERNAL, "master key: no randomness");
	ssf_hex(k->bytes, sizeof(k->bytes), hex);
	memcpy(hex + 2 * sizeof(k->bytes), "\n", 2);
	r = file_write(path, ssf_str_c(hex), 0600, err);
	OPENSSL_cleanse(hex, sizeof(hex));
	return r;
}

static int master_key_read(const char *path, struct master_key *k, struct ssf_err *err)
{
	ssf_auto_buf text = SSF_BUF(1024);
	struct ssf_str hex;
	struct stat st;

	if (file_read(path, &text, err) < 0)
		return -1;
	if (stat(path, &st) < 0 || (st.st_mode & 077) != 0)
		return ssf_fail(err, SSF_E_DENIED,
				"master key: %s may be read by others; chmod 600 it", path);
	hex = ssf_buf_str(&text);
	while (hex.len > 0 && (hex.ptr[hex.len - 1] == '\n' || hex.ptr[hex.len - 1] == '\r'))
		hex.len--;
	if (ssf_unhex(hex, k->bytes, sizeof(k->bytes)) < 0)
		return ssf_fail(err, SSF_E_MALFORMED, "master key: %s is not 64 hex digits", path);
	return 0;
}

int master_key_open(const char *path, struct master_key **out, struct ssf_err *err)
{
	ssf_auto(master_key) k = calloc(1, sizeof(*k));

	if (k == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "master key");
	if (master_key_read(path, k, err) < 0) {
		if (err->code != SSF_E_NOT_FOUND || master_key_make(path, k, err) < 0)
			return -1;
	}
	*out = SSF_STEAL(k);
	return 0;
}

void master_key_free(struct master_key *k)
{
	if (k == NULL)
		return;
	OPENSSL_cleanse(k, sizeof(*k));
	free(k);
}

/* One pass of AES-256-GCM over len bytes, with the context as additional data. */
static int gcm(const struct master_key *k, int encrypt, const char *context, const uint8_t *nonce,
	       const uint8_t *in, size_t len, uint8_t *out, uint8_t *tag)
{
	__attribute__((cleanup(cipher_autop))) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n;

	if (ctx == NULL ||
	    EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, k->bytes, nonce, encrypt) != 1 ||
	    EVP_CipherUpdate(ctx, NULL, &n, (const uint8_t *)context, (int)strlen(context)) != 1 ||
	    EVP_CipherUpdate(ctx, out, &n, in, (int)len) != 1)
		return -1;
	if (!encrypt && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG_LEN, tag) != 1)
		return -1;
	if (EVP_CipherFinal_ex(ctx, out + n, &n) != 1)
		return -1;
	if (encrypt && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG_LEN, tag) != 1)
		return -1;
	return 0;
}

int seal(const struct master_key *k, const char *context, struct ssf_str secret,
	 struct ssf_buf *out, struct ssf_err *err)
{
	size_t len = NONCE_LEN + secret.len + TAG_LEN;
	ssf_auto_free uint8_t *raw = NULL;

	if (secret.len > SECRET_MAX)
		return ssf_fail(err, SSF_E_LIMIT, "%s: longer than %d bytes", context, SECRET_MAX);
	raw = malloc(len);
	if (raw == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "%s", context);
	if (RAND_bytes(raw, NONCE_LEN) != 1 ||
	    gcm(k, 1, context, raw, (const uint8_t *)secret.ptr, secret.len, raw + NONCE_LEN,
		raw + NONCE_LEN + secret.len) < 0)
		return ssf_fail(err, SSF_E_INTERNAL, "%s: cannot be encrypted", context);
	if (ssf_base64_encode((struct ssf_str){ (const char *)raw, len }, out) < 0)
		return ssf_fail(err, SSF_E_NOMEM, "%s", context);
	return 0;
}

int unseal(const struct master_key *k, const char *context, struct ssf_str sealed,
	   struct ssf_buf *out, struct ssf_err *err)
{
	ssf_auto_buf raw = SSF_BUF(SECRET_MAX + NONCE_LEN + TAG_LEN);
	ssf_auto_buf plain = SSF_BUF(SECRET_MAX);
	size_t len;

	if (ssf_base64_decode(sealed, &raw, err) < 0)
		return ssf_fail_prefix(err, "%s", context);
	if (raw.len < NONCE_LEN + TAG_LEN)
		return ssf_fail(err, SSF_E_KEY, "%s: too short to be sealed", context);
	len = raw.len - NONCE_LEN - TAG_LEN;
	if (ssf_buf_add(&plain, raw.ptr + NONCE_LEN, len) < 0)
		return ssf_fail(err, SSF_E_NOMEM, "%s", context);
	if (gcm(k, 0, context, (uint8_t *)raw.ptr, (const uint8_t *)raw.ptr + NONCE_LEN, len,
		(uint8_t *)plain.ptr, (uint8_t *)raw.ptr + NONCE_LEN + len) < 0)
		return ssf_fail(err, SSF_E_KEY, "%s: sealed under another key, or changed", context);
	if (ssf_buf_add(out, plain.ptr, plain.len) < 0)
		return ssf_fail(err, SSF_E_NOMEM, "%s", context);
	return 0;
}

int master_key_derive(const struct master_key *k, const char *label, uint8_t out[DERIVED_KEY_LEN],
		      struct ssf_err *err)
{
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *ctx = kdf != NULL ? EVP_KDF_CTX_new(kdf) : NULL;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)"SHA256", 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)k->bytes,
						  sizeof(k->bytes)),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)label,
						  strlen(label)),
		OSSL_PARAM_construct_end(),
	};
	int ok = ctx != NULL && EVP_KDF_derive(ctx, out, DERIVED_KEY_LEN, params) == 1;

	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	return ok ? 0 : ssf_fail(err, SSF_E_INTERNAL, "master key: cannot derive %s", label);
}
