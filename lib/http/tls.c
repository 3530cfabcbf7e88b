/* SPDX-License-Identifier: Apache-2.0 */
/* What TLS our listeners speak. The development CA is in dev_ca_make.c. */
#include "lib/http/tls.h"

#include "lib/http/tls_priv.h"
#include "lib/ssf/attr.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

int tls_fail(struct ssf_err *err, const char *what)
{
	unsigned long code = ERR_peek_last_error();
	const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;

	ERR_clear_error();
	return ssf_fail(err, SSF_E_KEY, "%s: %s", what, reason != NULL ? reason : "failed");
}

/* A daemon has no terminal to ask for a passphrase at. */
static int no_passphrase(char *buf, int size, int writing, void *arg)
{
	(void)buf;
	(void)size;
	(void)writing;
	(void)arg;
	return -1;
}

int tls_server_ctx(const char *cert_file, const char *key_file, SSL_CTX **out, struct ssf_err *err)
{
	tls_auto(SSL_CTX) ctx = NULL;

	if (cert_file == NULL || key_file == NULL)
		return ssf_fail(err, SSF_E_KEY, "tls: certificate and key belong together");
	ctx = SSL_CTX_new(TLS_server_method());
	if (ctx == NULL)
		return tls_fail(err, "tls");
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	/* a client that closes its side without close_notify still gets its answer: requests say where they end */
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_read_ahead(ctx, 1); /* one system call for a record instead of two */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF); /* tickets carry the state */
	SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
	if (SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20") != 1)
		return tls_fail(err, "tls ciphers");
	if (SSL_CTX_use_certificate_chain_file(ctx, cert_file) != 1)
		return tls_fail(err, cert_file);
	if (SSL_CTX_use_PrivateKey_file(ctx, key_file, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_check_private_key(ctx) != 1)
		return tls_fail(err, key_file);
	*out = SSF_STEAL(ctx);
	return 0;
}
