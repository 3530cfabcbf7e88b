/* SPDX-License-Identifier: Apache-2.0 */
#include "hub/server/data_files.h"

#include "hub/server/listen_address.h"
#include "lib/http/tls.h"
#include "lib/kit/file.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TOKEN_BYTES 32
#define TOKEN_LEN_MIN 32

static int token_make(const char *path, struct ssf_buf *token, struct ssf_err *err)
{
	uint8_t bytes[TOKEN_BYTES];
	char text[2 * sizeof(bytes) + 2];

	if (RAND_priv_bytes(bytes, sizeof(bytes)) != 1)
		return ssf_fail(err, SSF_E_INTERNAL, "%s: no randomness", path);
	ssf_hex(bytes, sizeof(bytes), text);
	memcpy(text + 2 * sizeof(bytes), "\n", 2);
	ssf_buf_adds(token, text);
	OPENSSL_cleanse(text, sizeof(text));
	OPENSSL_cleanse(bytes, sizeof(bytes));
	return file_write(path, ssf_buf_str(token), 0600, err);
}

static int token_open(const char *data, const char *name, uint8_t digest[SSF_SHA256_LEN],
		      struct ssf_err *err)
{
	ssf_auto_free char *path = file_join(data, name);
	ssf_auto_buf token = SSF_BUF(1024);
	struct ssf_str trimmed;

	if (path == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "%s", name);
	if (file_read(path, &token, err) < 0 &&
	    (err->code != SSF_E_NOT_FOUND || token_make(path, &token, err) < 0))
		return -1;
	trimmed = ssf_buf_str(&token);
	while (trimmed.len > 0 && (unsigned char)trimmed.ptr[trimmed.len - 1] <= ' ')
		trimmed.len--;
	if (trimmed.len < TOKEN_LEN_MIN)
		return ssf_fail(err, SSF_E_MALFORMED, "%s: shorter than %d characters", path,
				TOKEN_LEN_MIN);
	ssf_sha256(trimmed, digest);
	return 0;
}

/* The host of the issuer, which the development certificate is made for; NULL if there is none. */
static char *issuer_host(const char *issuer)
{
	const char *start = issuer != NULL ? strstr(issuer, "://") : NULL;

	return start != NULL ? strndup(start + 3, strcspn(start + 3, ":/")) : NULL;
}

int data_files_open(const struct conf *conf, struct data_files *out, struct ssf_err *err)
{
	ssf_auto_free char *master = file_join(conf->data, "master.key");
	ssf_auto_free char *host = issuer_host(conf->issuer);
	/* as root, PostgreSQL runs as another user, who must be able to pass through the directory */
	mode_t mode = geteuid() == 0 && conf->database == NULL ? 0711 : 0700;

	if (master == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "data directory");
	if (file_mkdir(conf->data, mode, err) < 0 || master_key_open(master, &out->master, err) < 0 ||
	    token_open(conf->data, "admin.token", out->admin, err) < 0 ||
	    token_open(conf->data, "metrics.token", out->metrics, err) < 0)
		return -1;
	if (conf->tls_off || conf->tls_cert != NULL)
		return 0;
	return dev_ca_make(conf->data, host, err);
}

void data_files_done(struct data_files *f)
{
	master_key_free(f->master);
	f->master = NULL;
}

int data_files_write_url(const struct conf *conf, unsigned port, struct ssf_err *err)
{
	ssf_auto_free char *path = file_join(conf->data, "hub.url");
	struct listen_address address;
	char authority[LISTEN_ADDRESS_MAX], url[LISTEN_ADDRESS_MAX + 16];

	if (path == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "hub.url");
	if (listen_address_parse(conf->listen, &address, err) < 0)
		return ssf_fail_prefix(err, "listen");
	listen_address_text(&address, port, authority);
	snprintf(url, sizeof(url), "%s://%s\n", conf->tls_off ? "http" : "https", authority);
	return file_write(path, ssf_str_c(url), 0644, err);
}
