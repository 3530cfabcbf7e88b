/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the store of certificates. What is trusted must never grow from a file that could not be read, nor be
 * lost by one: as long as there is nothing better, what was read before stays.
 */
#include "lib/http/ca_store.h"

#include "lib/kit/file.h"
#include "lib/kit/file_signature.h"
#include "lib/kit/log.h"
#include "lib/kit/loop.h"
#include "lib/ssf/attr.h"

#include <curl/curl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include <stdlib.h>
#include <string.h>

#define CA_FILE_MAX (256 * 1024)
#define AGAIN_MS 10000

struct ca_store {
	char *ca_file;
	const char *system_file, *system_dir; /* or NULL */
	X509_STORE *store;                    /* NULL: not read yet */
	struct file_signature system_signature, ca_signature; /* when they were read, or were to be */
	int64_t again_ms;                     /* not all could be read: to be tried again then; 0: all */
};

/* All certificates of a PEM file into the store. */
static int add_file(X509_STORE *store, const char *path, struct ssf_err *err)
{
	ssf_auto_buf pem = SSF_BUF(CA_FILE_MAX);
	X509 *cert;
	int n = 0;

	if (file_read(path, &pem, err) < 0)
		return -1;
	BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
	while (bio != NULL && (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		n += X509_STORE_add_cert(store, cert) == 1;
		X509_free(cert);
	}
	BIO_free(bio);
	ERR_clear_error(); /* the end of the file counts as one */
	return n > 0 ? 0 : ssf_fail(err, SSF_E_MALFORMED, "%s: no certificate in it", path);
}

/* The same that curl sets: who trusts an issuer in the middle of a chain need not trust its root. */
static X509_STORE *store_new(void)
{
	X509_STORE *store = X509_STORE_new();

	if (store != NULL)
		X509_STORE_set_flags(store, X509_V_FLAG_TRUSTED_FIRST | X509_V_FLAG_PARTIAL_CHAIN);
	return store;
}

/* The system's, if there are any; its directory is looked into when a certificate is asked for. */
static bool add_system(const struct ca_store *t, X509_STORE *store)
{
	const char *unread = NULL;

	if (file_signature_exists(&t->system_signature) && X509_STORE_load_file(store, t->system_file) != 1)
		unread = t->system_file;
	if (t->system_dir != NULL && X509_STORE_load_path(store, t->system_dir) != 1)
		unread = t->system_dir;
	ERR_clear_error();
	if (unread != NULL)
		log_warn("trust.unread", log_str("file", unread));
	return unread == NULL;
}

static bool add_own(const struct ca_store *t, X509_STORE *store)
{
	struct ssf_err err;

	if (t->ca_file == NULL || add_file(store, t->ca_file, &err) == 0)
		return true;
	log_warn("trust.unread", log_str("file", t->ca_file), log_why(&err));
	return false;
}

void ca_store_load(struct ca_store *t)
{
	X509_STORE *store = store_new();

	t->system_signature = file_signature_of(t->system_file);
	t->ca_signature = file_signature_of(t->ca_file);
	if (store == NULL)
		return;
	bool all = add_system(t, store);
	all = add_own(t, store) && all;
	t->again_ms = all ? 0 : loop_now_ms() + AGAIN_MS;
	if (all || t->store == NULL) {
		X509_STORE_free(t->store);
		t->store = store;
	} else {
		X509_STORE_free(store);
	}
}

static bool is_current(const struct ca_store *t)
{
	struct file_signature system = file_signature_of(t->system_file), ca = file_signature_of(t->ca_file);

	return t->store != NULL && file_signature_equal(&system, &t->system_signature) &&
	       file_signature_equal(&ca, &t->ca_signature) &&
	       (t->again_ms == 0 || loop_now_ms() < t->again_ms);
}

int ca_store_use(struct ca_store *t, SSL_CTX *ctx)
{
	if (!is_current(t))
		ca_store_load(t);
	if (t->store == NULL)
		return -1;
	SSL_CTX_set1_cert_store(ctx, t->store);
	return 0;
}

int ca_store_new(const char *ca_file, struct ca_store **out, struct ssf_err *err)
{
	const curl_version_info_data *curl = curl_version_info(CURLVERSION_NOW);
	X509_STORE *looked = store_new();
	struct ca_store *t = calloc(1, sizeof(*t));
	int r = 0;

	if (t != NULL) {
		t->system_file = curl->cainfo;
		t->system_dir = curl->capath;
		t->ca_file = ca_file != NULL ? strdup(ca_file) : NULL;
	}
	if (t == NULL || looked == NULL || (ca_file != NULL && t->ca_file == NULL))
		r = ssf_fail(err, SSF_E_NOMEM, "trust: out of memory");
	else if (ca_file != NULL)
		r = add_file(looked, ca_file, err);
	X509_STORE_free(looked);
	if (r < 0)
		ca_store_free(t);
	else
		*out = t;
	return r;
}

void ca_store_free(struct ca_store *t)
{
	if (t == NULL)
		return;
	X509_STORE_free(t->store);
	free(t->ca_file);
	free(t);
}
