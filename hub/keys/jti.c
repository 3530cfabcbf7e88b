/* SPDX-License-Identifier: Apache-2.0 */
/* Owns the cipher contexts, one for each direction. */
#include "hub/keys/jti.h"

#include "lib/ssf/base64url.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <stdlib.h>
#include <string.h>

struct jti {
	EVP_CIPHER_CTX *encrypt, *decrypt;
};

static EVP_CIPHER_CTX *cipher(const uint8_t key[DERIVED_KEY_LEN], int encrypt)
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

int jti_new(const struct master_key *master, struct jti **out, struct ssf_err *err)
{
	struct jti *j;
	uint8_t key[DERIVED_KEY_LEN];

	if (master_key_derive(master, "jti", key, err) < 0)
		return -1;
	j = calloc(1, sizeof(*j));
	if (j != NULL) {
		j->encrypt = cipher(key, 1);
		j->decrypt = cipher(key, 0);
	}
	OPENSSL_cleanse(key, sizeof(key));
	if (j == NULL || j->encrypt == NULL || j->decrypt == NULL) {
		jti_free(j);
		return ssf_fail(err, SSF_E_NOMEM, "jti");
	}
	*out = j;
	return 0;
}

void jti_free(struct jti *j)
{
	if (j == NULL)
		return;
	EVP_CIPHER_CTX_free(j->encrypt);
	EVP_CIPHER_CTX_free(j->decrypt);
	free(j);
}

/* The plain block: seq, then the first half of the SHA-256 of the audience. */
static void fill_block(int64_t seq, const char *audience, uint8_t block[16])
{
	uint8_t digest[SSF_SHA256_LEN];

	for (int i = 0; i < 8; i++)
		block[i] = (uint8_t)((uint64_t)seq >> (56 - 8 * i));
	ssf_sha256(ssf_str_c(audience), digest);
	memcpy(block + 8, digest, 8);
}

void jti_make(const struct jti *j, int64_t seq, const char *audience, char out[JTI_LEN])
{
	uint8_t block[16], sealed[16];
	ssf_auto_buf text = SSF_BUF(JTI_LEN);
	int n = 0;

	fill_block(seq, audience, block);
	EVP_EncryptUpdate(j->encrypt, sealed, &n, block, sizeof(block));
	ssf_base64url_encode((struct ssf_str){ (const char *)sealed, sizeof(sealed) }, &text);
	memcpy(out, text.ptr, JTI_LEN);
}

int jti_seq(const struct jti *j, struct ssf_str text, const char *audience, int64_t *seq)
{
	uint8_t block[16], expected[16];
	ssf_auto_buf raw = SSF_BUF(sizeof(block));
	uint64_t value = 0;
	int n = 0;

	if (text.len != JTI_LEN - 1 || ssf_base64url_decode(text, &raw, NULL) < 0 ||
	    raw.len != sizeof(block))
		return -1;
	EVP_DecryptUpdate(j->decrypt, block, &n, (const uint8_t *)raw.ptr, sizeof(block));
	for (int i = 0; i < 8; i++)
		value = value << 8 | block[i];
	fill_block((int64_t)value, audience, expected);
	if (CRYPTO_memcmp(block, expected, sizeof(block)) != 0)
		return -1;
	*seq = (int64_t)value;
	return 0;
}
