/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Adapter "github-partner": reports of the secret scanning partner program (docs.github.com,
 * "Secret scanning partner program"). A JSON array of leaked tokens, signed with ECDSA P-256 and
 * SHA-256 over the raw body by a key that GitHub publishes.
 *
 * The bodies hold live secrets: this file keeps their SHA-256 and wipes the parsed texts. Out of
 * its reach are the raw body, which the caller wipes, and what the JSON parser frees by itself:
 * its scratch memory, and all of a body that does not parse.
 */
#include "transmitters/adapter.h"

#include "lib/ssf/base64url.h"
#include "lib/ssf/json.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_ID_HEADER "Github-Public-Key-Identifier"
#define SIGNATURE_HEADER "Github-Public-Key-Signature"

#define REPORT_MAX (4 * 1024 * 1024) /* bytes; GitHub names no limit */
#define TOKENS_MAX 1000              /* of a report */
#define KEYS_MAX 64
#define KEY_ID_MAX_LEN 128
#define SIGNATURE_MAX 80 /* DER of two 33-byte integers is 72 */
#define TYPE_MAX_LEN 256
#define SOURCE_MAX_LEN 64

static const struct ssf_json_limits report_limits = {
	.max_bytes = REPORT_MAX,
	.max_depth = 16,
};

/* {"public_keys":[{"key_identifier","key","is_current"}]} */
struct partner_keys {
	size_t count;
	struct partner_key {
		char *id;
		EVP_PKEY *key;
	} items[KEYS_MAX];
};

/* Without this callback, OpenSSL asks the terminal for the password of an encrypted PEM. */
static int no_password(char *buf, int size, int for_writing, void *arg)
{
	(void)buf;
	(void)size;
	(void)for_writing;
	(void)arg;
	return -1;
}

static bool is_p256(const EVP_PKEY *key)
{
	char group[64];

	return EVP_PKEY_is_a(key, "EC") &&
	       EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) == 1 &&
	       strcmp(group, "prime256v1") == 0;
}

/* NULL unless the text is the PEM of a P-256 public key. */
static EVP_PKEY *read_key(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	EVP_PKEY *key = bio == NULL ? NULL : PEM_read_bio_PUBKEY(bio, NULL, no_password, NULL);

	BIO_free(bio);
	if (key != NULL && !is_p256(key)) {
		EVP_PKEY_free(key);
		key = NULL;
	}
	if (key == NULL)
		ERR_clear_error(); /* the queue is shared with TLS on this thread */
	return key;
}

static EVP_PKEY *find_key(const struct partner_keys *keys, struct ssf_str id)
{
	for (size_t i = 0; i < keys->count; i++) {
		if (ssf_str_eq_c(id, keys->items[i].id))
			return keys->items[i].key;
	}
	return NULL;
}

static int add_key(struct partner_keys *keys, const json_t *entry, struct ssf_err *err)
{
	struct partner_key *k = &keys->items[keys->count];
	const char *id;
	const char *pem;

	if (ssf_json_get_str(entry, "key_identifier", &id, err) < 0 ||
	    ssf_json_get_str(entry, "key", &pem, err) < 0)
		return -1;
	if (*id == '\0' || strlen(id) > KEY_ID_MAX_LEN)
		return ssf_fail(err, SSF_E_MALFORMED, "key_identifier: empty or too long");
	if (find_key(keys, ssf_str_c(id)) != NULL)
		return ssf_fail(err, SSF_E_MALFORMED, "key_identifier: appears twice");
	k->key = read_key(pem);
	if (k->key == NULL)
		return ssf_fail(err, SSF_E_MALFORMED, "key: not a P-256 public key in PEM");
	k->id = strdup(id);
	if (k->id == NULL) {
		EVP_PKEY_free(k->key);
		return ssf_fail(err, SSF_E_NOMEM, "out of memory");
	}
	keys->count++;
	return 0;
}

static void keys_free(void *arg)
{
	struct partner_keys *keys = arg;

	if (keys == NULL)
		return;
	for (size_t i = 0; i < keys->count; i++) {
		free(keys->items[i].id);
		EVP_PKEY_free(keys->items[i].key);
	}
	free(keys);
}

/* Whole or not at all: a document with a bad key may have been tampered with. */
static int keys_parse(struct ssf_str text, void **out, struct ssf_err *err)
{
	json_auto_t *root = NULL;
	const json_t *entry;
	size_t i;

	if (ssf_json_parse(text, &ssf_json_default, &root, err) < 0)
		return -1;
	const json_t *entries = json_object_get(root, "public_keys");
	if (json_array_size(entries) == 0)
		return ssf_fail(err, SSF_E_MALFORMED, "public_keys: missing or empty");
	if (json_array_size(entries) > KEYS_MAX)
		return ssf_fail(err, SSF_E_LIMIT, "public_keys: more than %d", KEYS_MAX);

	struct partner_keys *keys = calloc(1, sizeof(*keys));
	if (keys == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "out of memory");
	json_array_foreach(entries, i, entry) {
		if (add_key(keys, entry, err) < 0) {
			keys_free(keys);
			return ssf_fail_prefix(err, "public_keys[%zu]", i);
		}
	}
	*out = keys;
	return 0;
}

static int keys_check_request(const struct adapter_request *r, struct ssf_err *err)
{
	if (adapter_header(r, KEY_ID_HEADER).len > 0 && adapter_header(r, SIGNATURE_HEADER).len > 0)
		return 0;
	return ssf_fail(err, SSF_E_UNAUTHENTICATED, "the report is not signed");
}

static bool keys_have(const void *keys, const struct adapter_request *r)
{
	return find_key(keys, adapter_header(r, KEY_ID_HEADER)) != NULL;
}

static const struct adapter_keys partner_keys = {
	.parse = keys_parse,
	.free = keys_free,
	.check_request = keys_check_request,
	.has = keys_have,
};

static bool verifies(EVP_PKEY *key, struct ssf_str der, struct ssf_str body)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	const unsigned char *bytes = (const unsigned char *)(body.len > 0 ? body.ptr : "");
	bool ok = ctx != NULL &&
		  EVP_DigestVerifyInit_ex(ctx, NULL, "SHA256", NULL, NULL, key, NULL) == 1 &&
		  EVP_DigestVerify(ctx, (const unsigned char *)der.ptr, der.len, bytes,
				   body.len) == 1;

	EVP_MD_CTX_free(ctx);
	if (!ok)
		ERR_clear_error();
	return ok;
}

static int partner_authenticate(const struct adapter_request *r,
				const struct adapter_credentials *c, struct ssf_err *err)
{
	EVP_PKEY *key = find_key(c->keys, adapter_header(r, KEY_ID_HEADER));
	struct ssf_str signature = adapter_header(r, SIGNATURE_HEADER);
	ssf_auto_buf der = SSF_BUF(SIGNATURE_MAX);

	if (key == NULL)
		return ssf_fail(err, SSF_E_UNAUTHENTICATED, KEY_ID_HEADER ": missing or unknown");
	if (signature.len == 0 || ssf_base64_decode(signature, &der, NULL) < 0)
		return ssf_fail(err, SSF_E_UNAUTHENTICATED,
				SIGNATURE_HEADER ": missing or malformed");
	if (!verifies(key, ssf_buf_str(&der), r->body))
		return ssf_fail(err, SSF_E_UNAUTHENTICATED, SIGNATURE_HEADER ": does not verify");
	return 0;
}

/* Leaves a value out that contains the token: files are named after the token in them. */
static int put_unless_quoting(json_t *detail, const char *key, const char *value,
			      const char *token, struct ssf_err *err)
{
	if (*value == '\0' || strstr(value, token) != NULL)
		return 0;
	return signal_put_text(detail, key, value, err);
}

/* GitHub has sent both "commit" and "Commit"; rules see one. */
static int put_source(json_t *detail, const char *source, const char *token, struct ssf_err *err)
{
	char lower[SOURCE_MAX_LEN + 1];
	size_t len = strlen(source);

	if (len > SOURCE_MAX_LEN)
		return 0;
	for (size_t i = 0; i <= len; i++) {
		bool upper = source[i] >= 'A' && source[i] <= 'Z';
		lower[i] = upper ? (char)(source[i] - 'A' + 'a') : source[i];
	}
	return put_unless_quoting(detail, "source", lower, token, err);
}

static int put_token(struct signal *s, const char *digest, size_t index, const json_t *item,
		     struct ssf_err *err)
{
	const char *url = "";
	const char *source = "";
	const char *token;
	const char *type;
	char hex[SSF_SHA256_HEX];

	if (ssf_json_get_str(item, "token", &token, err) < 0 ||
	    ssf_json_get_str(item, "type", &type, err) < 0 ||
	    ssf_json_opt_str(item, "url", &url, err) < 0 ||
	    ssf_json_opt_str(item, "source", &source, err) < 0)
		return -1;
	if (*token == '\0')
		return ssf_fail(err, SSF_E_MALFORMED, "token: empty");
	if (*type == '\0' || strlen(type) > TYPE_MAX_LEN)
		return ssf_fail(err, SSF_E_MALFORMED, "type: empty or too long");

	ssf_sha256(ssf_str_c(token), s->fingerprint);
	s->has_fingerprint = true;
	ssf_hex(s->fingerprint, sizeof(s->fingerprint), hex);
	s->type = strdup("secret.leaked");
	if (asprintf(&s->id, "%s.%zu", digest, index) < 0)
		s->id = NULL;
	s->detail = json_pack("{s:s, s:s, s:s, s:s}", "provider", "github", "via", "partner",
			      "secret_type", type, "fingerprint", hex);
	if (s->type == NULL || s->id == NULL || s->detail == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "out of memory");
	if (put_unless_quoting(s->detail, "url", url, token, err) < 0)
		return -1;
	return put_source(s->detail, source, token, err);
}

static int put_tokens(const json_t *report, const char *digest, struct signal_list *out,
		      struct ssf_err *err)
{
	const json_t *item;
	size_t i;

	if (!json_is_array(report))
		return ssf_fail(err, SSF_E_MALFORMED, "report: not an array");
	if (json_array_size(report) > TOKENS_MAX)
		return ssf_fail(err, SSF_E_LIMIT, "report: more than %d tokens",
				TOKENS_MAX);
	json_array_foreach(report, i, item) {
		struct signal *s;

		if (signal_list_add(out, &s, err) < 0)
			return -1;
		if (put_token(s, digest, i, item, err) < 0)
			return ssf_fail_prefix(err, "report[%zu]", i);
	}
	return 0;
}

/* One signal a token, in order. Their ids are "<SHA-256 of the body>.<index>". */
static int partner_map(const struct adapter_request *r, const json_t *spec,
		       struct signal_list *signals, struct adapter_reply *reply,
		       struct ssf_err *err)
{
	json_auto_t *report = NULL;
	char digest[SSF_SHA256_HEX];
	size_t before = signals->count;

	(void)spec;
	(void)reply;
	if (ssf_json_parse(r->body, &report_limits, &report, err) < 0)
		return -1;
	ssf_sha256_hex(r->body, digest);
	int result = put_tokens(report, digest, signals, err);
	signal_wipe_strings(report);
	if (result < 0)
		signal_list_truncate(signals, before);
	return result;
}

/* With "labels", GitHub is told which of the tokens are registered here. */
static int partner_answer(const json_t *spec, const struct signal_list *signals, const bool *known,
			  struct adapter_reply *reply, struct ssf_err *err)
{
	if (!json_is_true(json_object_get(spec, "labels")))
		return 0;

	json_auto_t *labels = json_array();
	for (size_t i = 0; i < signals->count; i++) {
		const struct signal *s = &signals->items[i];
		char hex[SSF_SHA256_HEX];

		ssf_hex(s->fingerprint, sizeof(s->fingerprint), hex);
		json_t *label = json_pack("{s:s, s:O, s:s}", "token_hash", hex, "token_type",
					  json_object_get(s->detail, "secret_type"), "label",
					  known[i] ? "true_positive" : "false_positive");
		if (json_array_append_new(labels, label) < 0)
			return ssf_fail(err, SSF_E_NOMEM, "out of memory");
	}

	ssf_auto_free char *text = json_dumps(labels, JSON_COMPACT);
	if (text == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "out of memory");
	reply->status = 200;
	return ssf_buf_append(&reply->body, ssf_str_c(text), err);
}

static int partner_check(const json_t *spec, struct ssf_err *err)
{
	if ((json_object_get(spec, "keys_url") != NULL) ==
	    (json_object_get(spec, "keys_file") != NULL))
		return ssf_fail(err, SSF_E_MALFORMED, "give either keys_file or keys_url");
	return 0;
}

static const struct adapter_member members[] = {
	{ "keys_url", ADAPTER_KEYS_URL, 0, "The address of GitHub's public keys.",
	  "\"https://api.github.com/meta/public_keys/secret_scanning\"" },
	{ "keys_file", ADAPTER_KEYS_FILE, 0,
	  "A file with the same content, instead of keys_url; it is read again when it changes.",
	  "\"/etc/ssfhub/github-keys.json\"" },
	{ "labels", ADAPTER_BOOL, 0,
	  "Whether the answer tells GitHub which tokens are registered here, by their hashes.",
	  "true" },
	{ .name = NULL },
};

static const struct adapter_route routes[] = {
	{ "POST", "", partner_map },
	{ .path = NULL },
};

const struct source_adapter github_partner_adapter = {
	.type = "github-partner",
	.summary = "Leaked tokens from GitHub's secret scanning partner program",
	.members = members,
	.routes = routes,
	.keys = &partner_keys,
	.check = partner_check,
	.authenticate = partner_authenticate,
	.answer = partner_answer,
};
