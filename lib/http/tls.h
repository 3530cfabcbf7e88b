/* SPDX-License-Identifier: Apache-2.0 */
/* TLS for listeners, and the development CA that makes https work from the first minute. */
#pragma once

#include <openssl/types.h>

#include "lib/ssf/err.h"

/* TLS 1.2 and 1.3, server side, certificate chain and key from PEM files. */
ssf_nodiscard int tls_server_ctx(const char *cert_file, const char *key_file, SSL_CTX **out,
				 struct ssf_err *err);

/*
 * Makes in dir what is missing of ca.pem, ca.key (0600), server.pem, server.key
 * (0600): an ECDSA P-256 CA valid for ten years and a server certificate for
 * localhost, 127.0.0.1, ::1 and host (NULL: no more), valid for 397 days and made anew
 * when it has less than 30 days left or lacks host. Browsers' and OpenSSL's strict
 * checks pass: basicConstraints, keyUsage, extendedKeyUsage serverAuth, SAN, SKI/AKI.
 */
ssf_nodiscard int dev_ca_make(const char *dir, const char *host, struct ssf_err *err);
