/* SPDX-License-Identifier: Apache-2.0 */
/* One check a kind, one table. What leaves here for the store holds no secret in the clear. */
#include "hub/registry/kinds.h"

#include "hub/rules/rule_file.h"
#include "hub/scopes/scope.h"
#include "hub/streams/stream.h"
#include "lib/http/document_cache.h"
#include "lib/kit/file.h"
#include "lib/ssf/json.h"
#include "transmitters/adapter.h"

#include <openssl/crypto.h>

#include <stdio.h>
#include <string.h>

#define LIST_MAX 256
#define SECRET_MIN 8
#define CLIENT_SECRET_MIN 24 /* it is only hashed, so it has to be one that nobody guesses */
#define LOOPBACK "http://127.0.0.1"

/* What one check works on: the resource being made. */
struct checking {
	const struct kinds *k;
	enum kind kind;
	const char *id;
	json_t *spec;      /* starts as a copy of what was sent */
	const json_t *old; /* what is stored now, or NULL */
};

bool kind_id_valid(const char *id)
{
	size_t len = id != NULL ? strlen(id) : 0;

	return len >= 1 && len <= 128 &&
	       strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:@-") == len;
}

/* --- parts -------------------------------------------------------------------------------------------- */

/* In the same batch, or stored already. */
static const json_t *refer(const struct checking *c, enum kind kind, const char *id)
{
	const json_t *pending = json_object_get(c->k->pending[kind], id);

	return pending != NULL ? pending : registry_get(c->k->registry, kind, id);
}

static int check_ref(const struct checking *c, const char *member, enum kind kind, struct ssf_err *err)
{
	const char *id;

	if (ssf_json_get_str(c->spec, member, &id, err) < 0)
		return -1;
	if (refer(c, kind, id) == NULL)
		return ssf_fail(err, SSF_E_MALFORMED, "%s: there is no such %s", member, kind_name(kind));
	return 0;
}

static int check_one_of(const struct checking *c, const char *member, const char *const *values,
			struct ssf_err *err)
{
	const char *value;

	if (ssf_json_get_str(c->spec, member, &value, err) < 0)
		return -1;
	for (size_t i = 0; values[i] != NULL; i++) {
		if (strcmp(value, values[i]) == 0)
			return 0;
	}
	return ssf_fail(err, SSF_E_MALFORMED, "%s: not one of those allowed (docs/reference/api.md)", member);
}

static int check_text(const struct checking *c, const char *member, bool required,
		      struct ssf_err *err)
{
	const char *value = NULL;

	if (required ? ssf_json_get_str(c->spec, member, &value, err) < 0 :
		       ssf_json_opt_str(c->spec, member, &value, err) < 0)
		return -1;
	if (value != NULL && (value[0] == '\0' || strlen(value) > 1024))
		return ssf_fail(err, SSF_E_MALFORMED, "%s: must be 1 to 1024 bytes", member);
	return 0;
}

/* An address that the operator chose: https, or http to a loopback literal for tests and sidecars. */
static int check_url(const json_t *holder, const char *member, struct ssf_err *err)
{
	const char *url;

	if (ssf_json_get_str(holder, member, &url, err) < 0)
		return -1;
	bool loopback = strncmp(url, LOOPBACK, strlen(LOOPBACK)) == 0 &&
			strchr(":/", url[strlen(LOOPBACK)]) != NULL; /* the end included */
	if (strlen(url) > 1024 || strchr(url, '@') != NULL ||
	    (strncmp(url, "https://", 8) != 0 && !loopback))
		return ssf_fail(err, SSF_E_MALFORMED, "%s: must be an https URL", member);
	return 0;
}

/*
 * A hex SHA-256 in "hashed", made of the secret in "plain" (at least min bytes) if that was given;
 * lower case. One of the two must be there, or at most one if it is optional.
 */
static int take_hash(struct checking *c, const char *plain, const char *hashed, size_t min,
		     bool optional, struct ssf_err *err)
{
	json_t *secret = json_object_get(c->spec, plain);
	const char *text = json_string_value(secret), *given = NULL;
	uint8_t digest[SSF_SHA256_LEN];
	char hex[SSF_SHA256_HEX];

	if (ssf_json_opt_str(c->spec, hashed, &given, err) < 0)
		return -1;
	if (secret == NULL && given == NULL && optional)
		return 0;
	if ((secret != NULL) == (given != NULL))
		return ssf_fail(err, SSF_E_MALFORMED, "give either %s or %s", plain, hashed);
	if (secret != NULL) {
		if (text == NULL || strlen(text) < min || strlen(text) > 4096)
			return ssf_fail(err, SSF_E_MALFORMED, "%s: must be a string of %zu to 4096 bytes",
					plain, min);
		ssf_sha256(ssf_str_c(text), digest);
		/* the value is ours alone: wipe it where it lies */
		OPENSSL_cleanse((char *)text, strlen(text));
		json_object_del(c->spec, plain);
	} else if (ssf_unhex(ssf_str_c(given), digest, sizeof(digest)) < 0) {
		return ssf_fail(err, SSF_E_MALFORMED, "%s: must be 64 hex digits", hashed);
	}
	ssf_hex(digest, sizeof(digest), hex);
	json_object_set_new(c->spec, hashed, json_string(hex));
	return 0;
}

/* What is sent in a header must not end it. */
static int check_header(const json_t *holder, const char *member, const char *path,
			struct ssf_err *err)
{
	const char *text = json_string_value(json_object_get(holder, member));

	for (; text != NULL && *text != '\0'; text++) {
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return ssf_fail(err, SSF_E_MALFORMED, "%s: has a control character", path);
	}
	return 0;
}

/* Replaces a secret by its sealed form; path names it ("api.token") and is part of the seal. */
static int take_secret(struct checking *c, json_t *holder, const json_t *old_holder,
		       const char *member, const char *path, bool required, struct ssf_err *err)
{
	json_t *old = json_object_get(old_holder, member);
	const char *text = NULL;
	char context[256];
	ssf_auto_buf sealed = SSF_BUF(16 * 1024);

	if (required ? ssf_json_get_str(holder, member, &text, err) < 0 :
		       ssf_json_opt_str(holder, member, &text, err) < 0)
		return -1;
	if (text == NULL)
		return 0;
	if (strcmp(text, KIND_SEALED) == 0) {
		if (old == NULL)
			return ssf_fail(err, SSF_E_MALFORMED, "%s: nothing is sealed there yet", path);
		json_object_set(holder, member, old);
		return 0;
	}
	if (strlen(text) < SECRET_MIN || strlen(text) > 4096)
		return ssf_fail(err, SSF_E_MALFORMED, "%s: must be %d to 4096 bytes", path, SECRET_MIN);
	snprintf(context, sizeof(context), "%s/%s/%s", kind_name(c->kind), c->id, path);
	if (seal(c->k->master, context, ssf_str_c(text), &sealed, err) < 0)
		return -1;
	OPENSSL_cleanse((char *)text, strlen(text));
	if (json_object_set_new(holder, member, json_pack("{s:s}", "sealed", sealed.ptr)) < 0)
		return ssf_fail(err, SSF_E_NOMEM, "%s", path);
	return 0;
}

/* A value that only one of its kind may have: owner has it now, or one before us in the batch. */
static int refuse_taken(const struct checking *c, const char *member, const char *value,
			const char *owner, struct ssf_err *err)
{
	const char *claimant = json_string_value(json_object_get(c->k->claimed[c->kind], value));

	if ((owner != NULL && strcmp(owner, c->id) != 0) ||
	    (claimant != NULL && strcmp(claimant, c->id) != 0))
		return ssf_fail(err, SSF_E_CONFLICT, "%s: another %s has it", member,
				kind_name(c->kind));
	json_object_set_new(c->k->claimed[c->kind], value, json_string(c->id));
	return 0;
}

/* --- kinds -------------------------------------------------------------------------------------------- */

static int check_person(struct checking *c, struct ssf_err *err)
{
	return check_text(c, "name", false, err) < 0 || check_text(c, "email", false, err) < 0 ? -1 : 0;
}

static int check_agent(struct checking *c, struct ssf_err *err)
{
	static const char *const environments[] = { "prod", "nonprod", "dev", NULL };
	const json_t *tools, *repositories, *repository, *labels = json_object_get(c->spec, "labels");
	size_t i;

	if (check_ref(c, "owner", KIND_PERSON, err) < 0 || check_text(c, "purpose", true, err) < 0 ||
	    check_one_of(c, "environment", environments, err) < 0 ||
	    ssf_json_opt_strings(c->spec, "tools", LIST_MAX, &tools, err) < 0 ||
	    ssf_json_opt_strings(c->spec, "repositories", LIST_MAX, &repositories, err) < 0)
		return -1;
	if (labels != NULL && !json_is_object(labels))
		return ssf_fail(err, SSF_E_MALFORMED, "labels: must be an object");
	json_array_foreach(repositories, i, repository) {
		const char *name = json_string_value(repository);
		if (refuse_taken(c, "repositories", name,
				 registry_agent_of_repository(c->k->registry, name), err) < 0)
			return -1;
	}
	return 0;
}

static int check_credential(struct checking *c, struct ssf_err *err)
{
	const char *hash;

	if (check_ref(c, "agent", KIND_AGENT, err) < 0 || check_text(c, "type", true, err) < 0 ||
	    take_hash(c, "secret", "fingerprint", SECRET_MIN, false, err) < 0)
		return -1;
	hash = json_string_value(json_object_get(c->spec, "fingerprint"));
	return refuse_taken(c, "fingerprint", hash, registry_credential_of(c->k->registry, hash), err);
}

/* An existing, readable document of the keys that the adapter wants. */
static int check_keys_file(const struct source_adapter *adapter, const char *path, struct ssf_err *err)
{
	ssf_auto_buf text = SSF_BUF(DOCUMENT_MAX);
	void *keys;

	if (file_read(path, &text, err) < 0 ||
	    adapter->keys->parse(ssf_buf_str(&text), &keys, err) < 0) {
		err->code = SSF_E_MALFORMED;
		return -1;
	}
	adapter->keys->free(keys);
	return 0;
}

/* member: in holder, under its name without the object's ("token" of "api.token"). */
static int check_adapter_member(struct checking *c, const struct source_adapter *adapter,
				const struct adapter_member *m, json_t *holder, const json_t *old,
				const char *member, struct ssf_err *err)
{
	const json_t *value = json_object_get(holder, member);
	bool flag;

	if (value == NULL && (m->flags & ADAPTER_REQUIRED) == 0)
		return 0;
	if ((m->flags & ADAPTER_IN_HEADER) != 0 && check_header(holder, member, m->name, err) < 0)
		return -1;
	switch (m->type) {
	case ADAPTER_SECRET:
		return take_secret(c, holder, old, member, m->name,
				   (m->flags & ADAPTER_REQUIRED) != 0, err);
	case ADAPTER_URL:
	case ADAPTER_KEYS_URL:
		if (check_url(holder, member, err) == 0)
			return 0;
		return holder == c->spec ? -1 : ssf_fail_prefix(err, "%.*s",
								(int)strcspn(m->name, "."), m->name);
	case ADAPTER_BOOL:
		return ssf_json_opt_bool(holder, member, &flag, err);
	case ADAPTER_TEXT:
	case ADAPTER_KEYS_FILE:
		break;
	}
	const char *text;
	if (ssf_json_get_str(holder, member, &text, err) < 0)
		return -1;
	if (text[0] == '\0' || strlen(text) > 1024)
		return ssf_fail(err, SSF_E_MALFORMED, "%s: must be 1 to 1024 bytes", m->name);
	if (m->type == ADAPTER_KEYS_FILE && check_keys_file(adapter, text, err) < 0)
		return ssf_fail_prefix(err, "%s", m->name);
	return 0;
}

/* Whether the adapter has this member, or one inside of it. */
static bool adapter_has_member(const struct source_adapter *adapter, const char *object,
			       const char *name)
{
	char path[128];
	size_t len;

	snprintf(path, sizeof(path), "%s%s%s", object, object[0] != '\0' ? "." : "", name);
	len = strlen(path);
	for (const struct adapter_member *m = adapter->members; m->name != NULL; m++) {
		if (strncmp(m->name, path, len) == 0 && (m->name[len] == '\0' || m->name[len] == '.'))
			return true;
	}
	return false;
}

static int check_member_names(const struct source_adapter *adapter, const json_t *spec,
			      struct ssf_err *err)
{
	const char *key, *inner;
	json_t *value, *inner_value;

	json_object_foreach((json_t *)spec, key, value) {
		if (strcmp(key, "type") != 0 && !adapter_has_member(adapter, "", key))
			return ssf_fail(err, SSF_E_MALFORMED, "%s: sources of type %s have no such member",
					key, adapter->type);
		json_object_foreach(value, inner, inner_value) {
			if (!adapter_has_member(adapter, key, inner))
				return ssf_fail(err, SSF_E_MALFORMED, "%s: unknown member \"%s\"", key,
						inner);
		}
	}
	return 0;
}

static int check_source(struct checking *c, struct ssf_err *err)
{
	const struct source_adapter *adapter;
	const char *type;

	if (ssf_json_get_str(c->spec, "type", &type, err) < 0)
		return -1;
	adapter = adapter_by_type(type);
	if (adapter == NULL)
		return ssf_fail(err, SSF_E_MALFORMED,
				"type: not one of those allowed (docs/reference/api.md)");
	if (check_member_names(adapter, c->spec, err) < 0)
		return -1;
	for (const struct adapter_member *m = adapter->members; m->name != NULL; m++) {
		const char *dot = strchr(m->name, '.');
		json_t *holder = c->spec;
		const json_t *old = c->old;
		char object[64] = "";

		if (dot != NULL) {
			snprintf(object, sizeof(object), "%.*s", (int)(dot - m->name), m->name);
			holder = json_object_get(c->spec, object);
			old = json_object_get(c->old, object);
			if (holder == NULL)
				continue;
			if (!json_is_object(holder))
				return ssf_fail(err, SSF_E_MALFORMED, "%s: must be an object", object);
		}
		if (check_adapter_member(c, adapter, m, holder, old, dot != NULL ? dot + 1 : m->name,
					 err) < 0)
			return -1;
	}
	return adapter->check != NULL ? adapter->check(c->spec, err) : 0;
}

/* What is secret of a JWK: pasted by mistake it would be stored as it is, and shown. */
static bool has_private_member(const json_t *jwks)
{
	static const char *const members[] = { "d", "p", "q", "dp", "dq", "qi", "k", "oth" };
	const json_t *key;
	size_t i;

	json_array_foreach(json_object_get(jwks, "keys"), i, key) {
		for (size_t m = 0; m < SSF_ARRAY_SIZE(members); m++) {
			if (json_object_get(key, members[m]) != NULL)
				return true;
		}
	}
	return false;
}

/* The public keys of somebody else: inline or at an address, not both. */
static int check_keys(const struct checking *c, bool optional, struct ssf_err *err)
{
	const json_t *inline_jwks = json_object_get(c->spec, "jwks");
	const json_t *url = json_object_get(c->spec, "jwks_url");
	ssf_auto(ssf_jwks) jwks = NULL;

	if (inline_jwks == NULL && url == NULL && optional)
		return 0;
	if ((inline_jwks != NULL) == (url != NULL))
		return ssf_fail(err, SSF_E_MALFORMED, "give either jwks or jwks_url");
	if (inline_jwks == NULL)
		return check_url(c->spec, "jwks_url", err);
	if (has_private_member(inline_jwks))
		return ssf_fail(err, SSF_E_MALFORMED, "jwks: has a secret or private key in it");
	if (ssf_jwks_parse(inline_jwks, &jwks, err) < 0)
		return ssf_fail_prefix(err, "jwks");
	if (ssf_jwks_count(jwks) == 0)
		return ssf_fail(err, SSF_E_MALFORMED, "jwks: no key in it can verify anything");
	return 0;
}

static int check_transmitter(struct checking *c, struct ssf_err *err)
{
	const char *issuer;

	if (check_text(c, "issuer", true, err) < 0 || check_text(c, "audience", false, err) < 0 ||
	    check_keys(c, false, err) < 0)
		return -1;
	issuer = json_string_value(json_object_get(c->spec, "issuer"));
	return refuse_taken(c, "issuer", issuer, registry_transmitter_of(c->k->registry, issuer), err);
}

/* Somebody else's authorization server, whose access tokens are taken (RFC 9068). */
static int check_issuer(struct checking *c, struct ssf_err *err)
{
	const char *issuer;

	if (check_text(c, "issuer", true, err) < 0 || check_text(c, "audience", false, err) < 0 ||
	    check_text(c, "typ", false, err) < 0 || check_text(c, "client_claim", false, err) < 0 ||
	    check_keys(c, false, err) < 0)
		return -1;
	issuer = json_string_value(json_object_get(c->spec, "issuer"));
	return refuse_taken(c, "issuer", issuer, registry_issuer_of(c->k->registry, issuer), err);
}

/* Scopes as a list with blanks between them (auth reads it so), given as an array. */
static int check_scopes(const struct checking *c, struct ssf_err *err)
{
	const json_t *scopes, *scope;
	size_t i;

	if (ssf_json_opt_strings(c->spec, "scopes", LIST_MAX, &scopes, err) < 0)
		return -1;
	if (scopes != NULL && json_array_size(scopes) == 0)
		return ssf_fail(err, SSF_E_MALFORMED, "scopes: none");
	json_array_foreach(scopes, i, scope) {
		if (scope_perms(ssf_str_c(json_string_value(scope))) == 0)
			return ssf_fail(err, SSF_E_MALFORMED, "scopes: not one of those there are (docs/reference/oauth.md)");
	}
	return 0;
}

/* "issuer" and "subject": which access tokens of another authorization server speak for it. */
static int check_subject(struct checking *c, struct ssf_err *err)
{
	const char *issuer, *subject;
	ssf_auto_free char *key = NULL;

	if (json_object_get(c->spec, "issuer") == NULL && json_object_get(c->spec, "subject") == NULL)
		return 0;
	if (check_ref(c, "issuer", KIND_ISSUER, err) < 0 || check_text(c, "subject", true, err) < 0)
		return -1;
	issuer = json_string_value(json_object_get(c->spec, "issuer"));
	subject = json_string_value(json_object_get(c->spec, "subject"));
	if (asprintf(&key, "%s/%s", issuer, subject) < 0) {
		key = NULL;
		return ssf_fail(err, SSF_E_NOMEM, "subject");
	}
	return refuse_taken(c, "subject", key,
			    registry_client_of_subject(c->k->registry, issuer, subject), err);
}

static int check_client(struct checking *c, struct ssf_err *err)
{
	static const char *const credentials[] = { "token_sha256", "secret_sha256", "jwks", "jwks_url",
						   "subject" };
	static const char *const algs[] = { "RS256", "ES256", NULL };
	const char *hash;
	size_t count = 0;

	if (check_text(c, "name", false, err) < 0 || check_text(c, "audience", true, err) < 0 ||
	    take_hash(c, "token", "token_sha256", SECRET_MIN, true, err) < 0 ||
	    take_hash(c, "secret", "secret_sha256", CLIENT_SECRET_MIN, true, err) < 0 ||
	    check_keys(c, true, err) < 0 || check_subject(c, err) < 0 || check_scopes(c, err) < 0)
		return -1;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(credentials); i++)
		count += json_object_get(c->spec, credentials[i]) != NULL;
	if (json_object_get(c->spec, "alg") != NULL && check_one_of(c, "alg", algs, err) < 0)
		return -1;
	if (count == 0)
		return ssf_fail(err, SSF_E_MALFORMED,
				"token, secret, jwks or subject: it needs one to be known by");
	hash = json_string_value(json_object_get(c->spec, "token_sha256"));
	return hash == NULL ? 0 :
			      refuse_taken(c, "token", hash,
					   registry_client_of_token(c->k->registry, hash), err);
}

static int check_stream(struct checking *c, struct ssf_err *err)
{
	json_t *delivery = json_object_get(c->spec, "delivery");
	const char *client = json_string_value(json_object_get(c->spec, "client"));
	ssf_auto(stream) parsed = NULL;

	if (check_ref(c, "client", KIND_CLIENT, err) < 0)
		return -1;
	if (check_header(delivery, "authorization_header", "delivery.authorization_header", err) < 0 ||
	    take_secret(c, delivery, json_object_get(c->old, "delivery"), "authorization_header",
			"delivery.authorization_header", false, err) < 0)
		return -1;
	if (stream_parse(c->id, c->spec, refer(c, KIND_CLIENT, client), &parsed, err) < 0)
		return -1;
	if (parsed->method == STREAM_PUSH &&
	    egress_policy_check_url(c->k->guard, ssf_str_c(parsed->endpoint), err) < 0)
		return ssf_fail_prefix(err, "delivery: endpoint_url");
	return 0;
}

static int check_rules(struct checking *c, struct ssf_err *err)
{
	ssf_auto(rule_file) file = NULL;
	struct ssf_diagnostic diag;
	const char *text;

	if (ssf_json_get_str(c->spec, "text", &text, err) < 0)
		return -1;
	if (rule_file_compile(ssf_str_c(text), &file, &diag) < 0)
		return ssf_diagnostic_err(&diag, err);
	json_object_set_new(c->spec, "digest", json_string(rule_file_digest(file)));
	return 0;
}

static const struct {
	int (*check)(struct checking *c, struct ssf_err *err);
	const char *names[16]; /* ends with NULL */
} table[KIND_COUNT] = {
	[KIND_PERSON] = { check_person, { "name", "email" } },
	[KIND_AGENT] = { check_agent,
			 { "owner", "purpose", "environment", "tools", "repositories", "labels" } },
	[KIND_CREDENTIAL] = { check_credential, { "agent", "type", "secret", "fingerprint" } },
	[KIND_SOURCE] = { check_source,
			  { NULL } }, /* by type: check_source() */
	[KIND_TRANSMITTER] = { check_transmitter, { "issuer", "audience", "jwks", "jwks_url" } },
	[KIND_ISSUER] = { check_issuer,
			  { "issuer", "audience", "typ", "client_claim", "jwks", "jwks_url" } },
	[KIND_CLIENT] = { check_client,
			  { "name", "audience", "token", "token_sha256", "secret", "secret_sha256", "jwks",
			    "jwks_url", "issuer", "subject", "scopes", "alg" } },
	[KIND_STREAM] = { check_stream,
			  { "client", "audience", "delivery", "status", "status_reason", "alg", "events",
			    "events_requested", "description", "default_subjects", "heartbeat",
			    "inactivity_timeout", "backlog_limit" } },
	[KIND_RULES] = { check_rules, { "text", "digest" } },
};

int kind_check(const struct kinds *k, enum kind kind, const char *id, const json_t *in,
	       json_t **spec, struct ssf_err *err)
{
	json_auto_t *copy = json_deep_copy(in);
	struct checking c = { k, kind, id, copy, registry_get(k->registry, kind, id) };

	if (copy == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "resource");
	json_object_del(copy, "kind");
	json_object_del(copy, "id");
	json_object_del(copy, "version");
	if ((kind != KIND_SOURCE && ssf_json_only(copy, table[kind].names, err) < 0) ||
	    table[kind].check(&c, err) < 0)
		return -1;
	*spec = SSF_STEAL(copy);
	return 0;
}

/* --- showing and deleting --------------------------------------------------------------------------------- */

static void hide_sealed(json_t *value)
{
	const char *key;
	json_t *member;
	void *next;

	json_object_foreach_safe(value, next, key, member) {
		if (json_object_get(member, "sealed") != NULL)
			json_object_set_new(value, key, json_string(KIND_SEALED));
		else
			hide_sealed(member);
	}
}

json_t *kind_show(enum kind kind, const char *id, const json_t *spec)
{
	json_t *shown = json_pack("{s:s, s:s}", "kind", kind_name(kind), "id", id);
	json_t *copy = json_deep_copy(spec);

	hide_sealed(copy);
	if (shown == NULL || copy == NULL || json_object_update(shown, copy) < 0) {
		json_decref(shown);
		shown = NULL;
	}
	json_decref(copy);
	return shown;
}

int kind_check_delete(const struct registry *r, enum kind kind, const char *id, struct ssf_err *err)
{
	static const struct {
		enum kind target, from;
		const char *member;
	} refs[] = {
		{ KIND_PERSON, KIND_AGENT, "owner" },
		{ KIND_AGENT, KIND_CREDENTIAL, "agent" },
		{ KIND_CLIENT, KIND_STREAM, "client" },
		{ KIND_ISSUER, KIND_CLIENT, "issuer" },
	};
	const char *from;
	json_t *spec;

	for (size_t i = 0; i < SSF_ARRAY_SIZE(refs); i++) {
		if (refs[i].target != kind)
			continue;
		json_object_foreach((json_t *)registry_all(r, refs[i].from), from, spec) {
			const char *value = json_string_value(json_object_get(spec, refs[i].member));
			if (value != NULL && strcmp(value, id) == 0)
				return ssf_fail(err, SSF_E_CONFLICT, "%s %s still refers to it",
						kind_name(refs[i].from), from);
		}
	}
	return 0;
}
