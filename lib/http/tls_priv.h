/* SPDX-License-Identifier: Apache-2.0 */
/* What tls.c and dev_ca_make.c share. */
#pragma once

#include <openssl/ssl.h>

#include "lib/ssf/err.h"

#define tls_auto(T) __attribute__((cleanup(T##_tls_autop))) T *
#define TLS_DEFINE_AUTO(T, release) \
	static inline void T##_tls_autop(T **p) \
	{ \
		release(*p); \
	}

TLS_DEFINE_AUTO(SSL_CTX, SSL_CTX_free)

/* SSF_E_KEY with OpenSSL's reason; empties its error queue; returns -1. */
int tls_fail(struct ssf_err *err, const char *what);
