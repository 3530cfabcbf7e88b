/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenSSL types as scoped locals, and its error queue kept as we found it: the
 * TLS of the same thread reads that queue too. Private to lib/ssf.
 */
#pragma once

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/params.h>

#define ossl_auto(T) __attribute__((cleanup(T##_ossl_autop))) T *
#define OSSL_DEFINE_AUTO(T, release) \
	static inline void T##_ossl_autop(T **p) \
	{ \
		release(*p); \
		*p = NULL; \
	}

OSSL_DEFINE_AUTO(BIGNUM, BN_free)
OSSL_DEFINE_AUTO(BIO, BIO_free_all)
OSSL_DEFINE_AUTO(ECDSA_SIG, ECDSA_SIG_free)
OSSL_DEFINE_AUTO(EVP_MD_CTX, EVP_MD_CTX_free)
OSSL_DEFINE_AUTO(EVP_PKEY, EVP_PKEY_free)
OSSL_DEFINE_AUTO(EVP_PKEY_CTX, EVP_PKEY_CTX_free)
OSSL_DEFINE_AUTO(OSSL_PARAM, OSSL_PARAM_free)
OSSL_DEFINE_AUTO(OSSL_PARAM_BLD, OSSL_PARAM_BLD_free)

static inline void ossl_restore_errors(const int *marked)
{
	(void)marked; /* no mark means that the queue was empty: popping then empties it again */
	ERR_pop_to_mark();
}

/* First declaration of a function that may leave OpenSSL errors behind. */
#define OSSL_KEEP_ERRORS() \
	__attribute__((cleanup(ossl_restore_errors), unused)) const int ossl_marked_ = \
		ERR_set_mark()
