/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The token functions on a command line, for cross_jwcrypto.py:
 *   jwsctl jwk PEM-FILE            the public JWK of a key, to standard output
 *   jwsctl sign PEM-FILE TYP       payload from standard input, token to standard output
 *   jwsctl verify JWK-FILE         token from standard input, payload to standard output
 */
#include "lib/ssf/attr.h"
#include "lib/ssf/json.h"
#include "lib/ssf/jws.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_MAX (1024 * 1024)

static void read_all(FILE *f, struct ssf_buf *out)
{
	char chunk[4096];
	size_t n;

	ssf_buf_init(out, INPUT_MAX);
	while (f != NULL && (n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		ssf_buf_add(out, chunk, n);
}

static void read_file(const char *path, struct ssf_buf *out)
{
	FILE *f = fopen(path, "rb");

	read_all(f, out);
	if (f != NULL)
		fclose(f);
}

static int jwk(const char *path, struct ssf_err *err)
{
	ssf_auto(ssf_key) key = NULL;
	ssf_auto_buf pem;

	read_file(path, &pem);
	if (ssf_key_from_pem(ssf_buf_str(&pem), NULL, &key, err) < 0)
		return -1;
	json_auto_t *public = ssf_key_to_jwk(key);
	ssf_auto_free char *text = public == NULL ? NULL : ssf_json_canonical(public);
	if (text == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "out of memory");
	puts(text);
	return 0;
}

static int sign(const char *path, const char *typ, struct ssf_err *err)
{
	ssf_auto(ssf_key) key = NULL;
	ssf_auto_buf pem;
	ssf_auto_buf payload;
	ssf_auto_buf token;

	read_file(path, &pem);
	read_all(stdin, &payload);
	ssf_buf_init(&token, SSF_JWS_MAX);
	if (ssf_key_from_pem(ssf_buf_str(&pem), NULL, &key, err) < 0 ||
	    ssf_jws_sign(key, typ, ssf_buf_str(&payload), &token, err) < 0)
		return -1;
	puts(token.ptr);
	return 0;
}

static int verify(const char *path, struct ssf_err *err)
{
	ssf_auto(ssf_key) key = NULL;
	json_auto_t *doc = NULL;
	ssf_auto_buf text;
	ssf_auto_buf token;
	struct ssf_jws jws;

	read_file(path, &text);
	read_all(stdin, &token);
	if (ssf_json_parse(ssf_buf_str(&text), &ssf_json_default, &doc, err) < 0 ||
	    ssf_key_from_jwk(doc, &key, err) < 0 ||
	    ssf_jws_parse(ssf_buf_str(&token), &jws, err) < 0)
		return -1;
	int r = ssf_jws_verify(&jws, key, err);
	if (r == 0)
		fwrite(jws.payload.ptr, 1, jws.payload.len, stdout);
	ssf_jws_done(&jws);
	return r;
}

int main(int argc, char **argv)
{
	struct ssf_err err;
	int r;

	if (argc == 3 && strcmp(argv[1], "jwk") == 0) {
		r = jwk(argv[2], &err);
	} else if (argc == 4 && strcmp(argv[1], "sign") == 0) {
		r = sign(argv[2], argv[3], &err);
	} else if (argc == 3 && strcmp(argv[1], "verify") == 0) {
		r = verify(argv[2], &err);
	} else {
		fprintf(stderr, "usage: %s jwk PEM | sign PEM TYP | verify JWK\n", argv[0]);
		return 2;
	}
	if (r < 0)
		fprintf(stderr, "%s: %s\n", ssf_code_info(err.code)->name, err.msg);
	return r < 0 ? 1 : 0;
}
