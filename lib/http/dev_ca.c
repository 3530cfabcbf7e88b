/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The development CA. Files are only ever replaced whole; a lock on the folder
 * keeps two processes that start together from making two CAs.
 */
#include "lib/http/tls.h"

#include "lib/kit/file.h"
#include "lib/http/tls_priv.h"
#include "lib/ssf/attr.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define PEM_MAX 16384
#define DAY (24L * 60 * 60)
#define CA_DAYS 3652
#define SERVER_DAYS 397
#define RENEW_DAYS 30

TLS_DEFINE_AUTO(X509, X509_free)
TLS_DEFINE_AUTO(EVP_PKEY, EVP_PKEY_free)
TLS_DEFINE_AUTO(BIO, BIO_free_all)
TLS_DEFINE_AUTO(BIGNUM, BN_free)

struct identity {
	X509 *cert;
	EVP_PKEY *key;
};

static void identity_done(struct identity *id)
{
	X509_free(id->cert);
	EVP_PKEY_free(id->key);
}

#define auto_identity __attribute__((cleanup(identity_done))) struct identity

static void unlock(int *fd)
{
	if (*fd >= 0)
		close(*fd); /* gives the lock back */
}

/* id stays empty when a file is missing; SSF_E_KEY when the two do not belong together. */
static int load(const char *dir, const char *cert_name, const char *key_name, struct identity *id,
		struct ssf_err *err)
{
	ssf_auto_free char *cert_path = file_join(dir, cert_name);
	ssf_auto_free char *key_path = file_join(dir, key_name);
	ssf_auto_buf cert_pem = SSF_BUF(PEM_MAX);
	ssf_auto_buf key_pem = SSF_BUF(PEM_MAX);

	if (cert_path == NULL || key_path == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "development CA: out of memory");
	if (file_read(cert_path, &cert_pem, err) < 0 || file_read(key_path, &key_pem, err) < 0)
		return err->code == SSF_E_NOT_FOUND ? 0 : -1;
	tls_auto(BIO) cert_bio = BIO_new_mem_buf(cert_pem.ptr, (int)cert_pem.len);
	tls_auto(BIO) key_bio = BIO_new_mem_buf(key_pem.ptr, (int)key_pem.len);
	tls_auto(X509) cert = PEM_read_bio_X509(cert_bio, NULL, NULL, NULL);
	tls_auto(EVP_PKEY) key = PEM_read_bio_PrivateKey(key_bio, NULL, NULL, NULL);
	if (cert == NULL || key == NULL || X509_check_private_key(cert, key) != 1)
		return tls_fail(err, cert_path);
	id->cert = SSF_STEAL(cert);
	id->key = SSF_STEAL(key);
	return 0;
}

static int store_bio(const char *dir, const char *name, BIO *bio, mode_t mode, struct ssf_err *err)
{
	ssf_auto_free char *path = file_join(dir, name);
	char *bytes = NULL;
	long len = BIO_get_mem_data(bio, &bytes);

	if (path == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "development CA: out of memory");
	return file_write(path, (struct ssf_str){ bytes, (size_t)len }, mode, err);
}

static int store(const char *dir, const char *cert_name, const char *key_name,
		 const struct identity *id, struct ssf_err *err)
{
	tls_auto(BIO) cert = BIO_new(BIO_s_mem());
	tls_auto(BIO) key = BIO_new(BIO_s_mem());

	if (cert == NULL || key == NULL || PEM_write_bio_X509(cert, id->cert) != 1 ||
	    PEM_write_bio_PKCS8PrivateKey(key, id->key, NULL, NULL, 0, NULL, NULL) != 1)
		return tls_fail(err, "development CA");
	/* The key first: a certificate alone would look like a usable pair. */
	if (store_bio(dir, key_name, key, 0600, err) < 0)
		return -1;
	return store_bio(dir, cert_name, cert, 0644, err);
}

static int add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *ext;
	int r;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	r = ext != NULL ? X509_add_ext(cert, ext, -1) : 0;
	X509_EXTENSION_free(ext);
	return r == 1 ? 0 : -1;
}

static int set_random_serial(X509 *cert)
{
	tls_auto(BIGNUM) n = BN_new();

	/* Positive and at most 20 bytes: RFC 5280 section 4.1.2.2. */
	if (n == NULL || BN_rand(n, 127, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) != 1)
		return -1;
	return BN_to_ASN1_INTEGER(n, X509_get_serialNumber(cert)) != NULL ? 0 : -1;
}

/* A certificate with a new key and all but extensions, issuer and signature. */
static int start_identity(const char *name, long days, struct identity *id)
{
	X509_NAME *subject;

	id->key = EVP_EC_gen("P-256");
	id->cert = X509_new();
	if (id->key == NULL || id->cert == NULL)
		return -1;
	subject = X509_get_subject_name(id->cert);
	/* An hour back, for clocks that are behind. */
	if (X509_set_version(id->cert, X509_VERSION_3) != 1 || set_random_serial(id->cert) < 0 ||
	    X509_gmtime_adj(X509_getm_notBefore(id->cert), -3600) == NULL ||
	    X509_gmtime_adj(X509_getm_notAfter(id->cert), days * DAY - 3600) == NULL ||
	    X509_set_pubkey(id->cert, id->key) != 1 ||
	    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name,
				       -1, -1, 0) != 1)
		return -1;
	return 0;
}

static int make_ca(struct identity *id, struct ssf_err *err)
{
	if (start_identity("ssfhub development CA", CA_DAYS, id) < 0 ||
	    X509_set_issuer_name(id->cert, X509_get_subject_name(id->cert)) != 1 ||
	    add_extension(id->cert, id->cert, NID_basic_constraints,
			  "critical,CA:TRUE,pathlen:0") < 0 ||
	    add_extension(id->cert, id->cert, NID_key_usage, "critical,keyCertSign,cRLSign") < 0 ||
	    add_extension(id->cert, id->cert, NID_subject_key_identifier, "hash") < 0 ||
	    add_extension(id->cert, id->cert, NID_authority_key_identifier, "keyid:always") < 0 ||
	    X509_sign(id->cert, id->key, EVP_sha256()) == 0)
		return tls_fail(err, "development CA");
	return 0;
}

static bool is_ip(const char *host)
{
	struct in6_addr unused;

	return inet_pton(AF_INET, host, &unused) == 1 || inet_pton(AF_INET6, host, &unused) == 1;
}

static int make_server(const struct identity *ca, const char *host, struct identity *id,
		       struct ssf_err *err)
{
	ssf_auto_buf names = SSF_BUF(1024);

	ssf_buf_adds(&names, "DNS:localhost,IP:127.0.0.1,IP:::1");
	if (host != NULL)
		ssf_buf_addf(&names, ",%s:%s", is_ip(host) ? "IP" : "DNS", host);
	if (ssf_buf_failed(&names))
		return ssf_fail(err, SSF_E_LIMIT, "development CA: host name too long");
	if (start_identity("ssfhub development server", SERVER_DAYS, id) < 0 ||
	    X509_set_issuer_name(id->cert, X509_get_subject_name(ca->cert)) != 1 ||
	    add_extension(id->cert, ca->cert, NID_basic_constraints, "critical,CA:FALSE") < 0 ||
	    add_extension(id->cert, ca->cert, NID_key_usage, "critical,digitalSignature") < 0 ||
	    add_extension(id->cert, ca->cert, NID_ext_key_usage, "serverAuth") < 0 ||
	    add_extension(id->cert, ca->cert, NID_subject_alt_name, names.ptr) < 0 ||
	    add_extension(id->cert, ca->cert, NID_subject_key_identifier, "hash") < 0 ||
	    add_extension(id->cert, ca->cert, NID_authority_key_identifier, "keyid:always") < 0 ||
	    X509_sign(id->cert, ca->key, EVP_sha256()) == 0)
		return tls_fail(err, "development CA");
	return 0;
}

static bool server_is_good(const struct identity *server, const struct identity *ca,
			   const char *host)
{
	time_t soon = time(NULL) + RENEW_DAYS * DAY;

	if (server->cert == NULL || X509_verify(server->cert, X509_get0_pubkey(ca->cert)) != 1 ||
	    X509_cmp_time(X509_get0_notAfter(server->cert), &soon) <= 0)
		return false;
	if (host == NULL)
		return true;
	return is_ip(host) ? X509_check_ip_asc(server->cert, host, 0) == 1
			   : X509_check_host(server->cert, host, 0, 0, NULL) == 1;
}

/* host becomes part of an extension's text, where a comma would start another entry. */
static bool is_host(const char *host)
{
	return *host != '\0' && host[strspn(host, "abcdefghijklmnopqrstuvwxyz"
						  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
						  "0123456789.:-_")] == '\0' &&
	       (strchr(host, ':') == NULL || is_ip(host));
}

int dev_ca_make(const char *dir, const char *host, struct ssf_err *err)
{
	struct ssf_err local = { 0 };
	auto_identity ca = { 0 };
	auto_identity old = { 0 };
	auto_identity server = { 0 };

	if (err == NULL)
		err = &local;
	if (host != NULL && !is_host(host))
		return ssf_fail(err, SSF_E_MALFORMED, "development CA: host name not valid");
	if (file_mkdir(dir, 0755, err) < 0)
		return -1;
	__attribute__((cleanup(unlock))) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || flock(fd, LOCK_EX) < 0)
		return ssf_fail(err, SSF_E_INTERNAL, "%s: cannot lock: %m", dir);
	if (load(dir, "ca.pem", "ca.key", &ca, err) < 0)
		return -1;
	if (ca.cert == NULL &&
	    (make_ca(&ca, err) < 0 || store(dir, "ca.pem", "ca.key", &ca, err) < 0))
		return -1;
	/* A pair that does not fit was left by a crash between its two files: made anew. */
	if (load(dir, "server.pem", "server.key", &old, err) < 0 && err->code != SSF_E_KEY)
		return -1;
	if (server_is_good(&old, &ca, host)) {
		ERR_clear_error();
		return 0;
	}
	ERR_clear_error();
	if (make_server(&ca, host, &server, err) < 0)
		return -1;
	return store(dir, "server.pem", "server.key", &server, err);
}
