/* SPDX-License-Identifier: Apache-2.0 */
/* The development CA passes strict checks, and is kept, renewed and repaired when it should be. */
#include "lib/kit/file.h"
#include "lib/http/tls.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64];

static int set_up(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/test_tls.XXXXXX");
	return mkdtemp(dir) != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
	char command[96];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static X509 *load_cert(const char *name)
{
	char *path = file_join(dir, name);
	FILE *f = fopen(path, "r");

	assert_non_null(f);
	X509 *cert = PEM_read_X509(f, NULL, NULL, NULL);
	assert_non_null(cert);
	fclose(f);
	free(path);
	return cert;
}

static int verify(X509 *leaf, X509 *ca, const char *host, const char *ip)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	X509_VERIFY_PARAM *param;

	X509_STORE_add_cert(store, ca);
	X509_STORE_CTX_init(ctx, store, leaf, NULL);
	X509_STORE_CTX_set_purpose(ctx, X509_PURPOSE_SSL_SERVER);
	param = X509_STORE_CTX_get0_param(ctx);
	X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_X509_STRICT);
	if (host != NULL)
		X509_VERIFY_PARAM_set1_host(param, host, 0);
	if (ip != NULL)
		X509_VERIFY_PARAM_set1_ip_asc(param, ip);
	X509_verify_cert(ctx);
	int r = X509_STORE_CTX_get_error(ctx);
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	return r;
}

static void assert_mode(const char *name, mode_t mode)
{
	char *path = file_join(dir, name);
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, mode);
	free(path);
}

static void passes_strict_checks(void **state)
{
	struct ssf_err err = { 0 };

	(void)state;
	if (dev_ca_make(dir, "hub.example", &err) < 0)
		fail_msg("%s", err.msg);
	X509 *ca = load_cert("ca.pem");
	X509 *server = load_cert("server.pem");
	assert_int_equal(verify(server, ca, "localhost", NULL), X509_V_OK);
	assert_int_equal(verify(server, ca, "hub.example", NULL), X509_V_OK);
	assert_int_equal(verify(server, ca, NULL, "127.0.0.1"), X509_V_OK);
	assert_int_equal(verify(server, ca, NULL, "::1"), X509_V_OK);
	assert_int_equal(verify(server, ca, "other.example", NULL), X509_V_ERR_HOSTNAME_MISMATCH);
	assert_int_equal(X509_check_ca(ca), 1);
	assert_int_equal(X509_check_ca(server), 0);
	assert_int_equal(X509_get_extended_key_usage(server), XKU_SSL_SERVER);
	assert_mode("ca.key", 0600);
	assert_mode("server.key", 0600);
	assert_mode("ca.pem", 0644);
	X509_free(server);
	X509_free(ca);
}

static void keeps_what_is_good(void **state)
{
	struct ssf_err err;

	(void)state;
	assert_int_equal(dev_ca_make(dir, "hub.example", &err), 0);
	X509 *ca = load_cert("ca.pem");
	X509 *server = load_cert("server.pem");
	assert_int_equal(dev_ca_make(dir, "hub.example", &err), 0);
	assert_int_equal(dev_ca_make(dir, NULL, &err), 0);
	X509 *same = load_cert("server.pem");
	assert_int_equal(X509_cmp(server, same), 0);
	/* Another name: a new server certificate from the same CA. */
	assert_int_equal(dev_ca_make(dir, "192.0.2.7", &err), 0);
	X509 *same_ca = load_cert("ca.pem");
	X509 *renewed = load_cert("server.pem");
	assert_int_equal(X509_cmp(ca, same_ca), 0);
	assert_int_not_equal(X509_cmp(server, renewed), 0);
	assert_int_equal(verify(renewed, ca, NULL, "192.0.2.7"), X509_V_OK);
	X509_free(renewed);
	X509_free(same_ca);
	X509_free(same);
	X509_free(server);
	X509_free(ca);
}

static void repairs_the_server_pair_but_not_the_ca(void **state)
{
	char *ca_key = file_join(dir, "ca.key");
	char *server_key = file_join(dir, "server.key");
	struct ssf_buf b;
	struct ssf_err err;

	(void)state;
	assert_int_equal(dev_ca_make(dir, NULL, &err), 0);
	ssf_buf_init(&b, 16384);
	assert_int_equal(file_read(ca_key, &b, &err), 0);
	assert_int_equal(file_write(server_key, ssf_buf_str(&b), 0600, &err), 0);
	assert_int_equal(dev_ca_make(dir, NULL, &err), 0);
	ssf_buf_reset(&b);
	assert_int_equal(file_read(server_key, &b, &err), 0);
	assert_int_equal(file_write(ca_key, ssf_buf_str(&b), 0600, &err), 0);
	assert_int_equal(dev_ca_make(dir, NULL, &err), -1);
	assert_int_equal(err.code, SSF_E_KEY);
	ssf_buf_done(&b);
	free(server_key);
	free(ca_key);
}

static void refuses_bad_hosts(void **state)
{
	static const char *const bad[] = { "", "a,IP:10.0.0.1", "a b", "a\nb", "a:b", "email:x", "*" };
	struct ssf_err err;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(dev_ca_make(dir, bad[i], &err), -1);
		assert_int_equal(err.code, SSF_E_MALFORMED);
	}
}

static void makes_a_context(void **state)
{
	char *cert = file_join(dir, "server.pem");
	char *key = file_join(dir, "server.key");
	char *ca_key = file_join(dir, "ca.key");
	SSL_CTX *ctx = NULL;
	struct ssf_err err;

	(void)state;
	assert_int_equal(dev_ca_make(dir, NULL, &err), 0);
	assert_int_equal(tls_server_ctx(cert, key, &ctx, &err), 0);
	assert_int_equal(SSL_CTX_get_min_proto_version(ctx), TLS1_2_VERSION);
	SSL_CTX_free(ctx);
	ctx = NULL;
	assert_int_equal(tls_server_ctx(cert, ca_key, &ctx, &err), -1);
	assert_int_equal(err.code, SSF_E_KEY);
	assert_int_equal(tls_server_ctx(key, key, &ctx, &err), -1);
	assert_int_equal(tls_server_ctx(cert, NULL, &ctx, &err), -1);
	assert_int_equal(tls_server_ctx("/nonexistent", key, &ctx, &err), -1);
	assert_null(ctx);
	free(ca_key);
	free(key);
	free(cert);
}

#define tls_test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		tls_test(passes_strict_checks),
		tls_test(keeps_what_is_good),
		tls_test(repairs_the_server_pair_but_not_the_ca),
		tls_test(refuses_bad_hosts),
		tls_test(makes_a_context),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
