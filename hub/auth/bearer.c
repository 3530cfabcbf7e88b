/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verdicts are remembered (token_cache.h) until the token expires, its client changes, or a key that
 * may have signed it stops being trusted. A token of an issuer whose keys stand at a URL may have to wait
 * for them; that wait is a struct bearer_lookup.
 */
#include "hub/auth/bearer.h"

#include "hub/auth/jwt.h"
#include "hub/auth/token_cache.h"
#include "hub/scopes/scope.h"
#include "lib/kit/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define TOKEN_MAX (16 * 1024)

struct bearer {
	struct bearer_conf conf;
	const struct access_tokens *tokens;
	struct registry *registry;
	struct jwks *jwks;
	uint64_t issuer_changes; /* how often an issuer resource has changed */
	struct token_cache *cache;
};

/* A token with its digest; text is a view of the header. */
struct bearer_token {
	struct ssf_str text;
	uint8_t digest[SSF_SHA256_LEN];
};

struct bearer_lookup {
	struct bearer *bearer;
	char *header;
	struct bearer_token token; /* a view of the header */
	struct ssf_jws jws;
	char issuer[CALLER_CLIENT_LEN];
	json_t *spec;              /* of the issuer, as it was when the fetch began */
	struct jwks_search *search;
	bearer_done_f *f;
	void *arg;
};

static void on_resource(void *arg, enum kind kind, const char *id, const json_t *spec)
{
	struct bearer *b = arg;

	(void)id;
	(void)spec;
	b->issuer_changes += kind == KIND_ISSUER;
}

int bearer_new(const struct bearer_conf *conf, const struct access_tokens *tokens, struct jwks *jwks,
	       struct bearer **out, struct ssf_err *err)
{
	struct bearer *b = calloc(1, sizeof(*b));

	if (b == NULL || (b->cache = token_cache_new()) == NULL) {
		free(b);
		return ssf_fail(err, SSF_E_NOMEM, "authentication");
	}
	b->conf = *conf;
	b->tokens = tokens;
	b->registry = tokens->registry;
	b->jwks = jwks;
	if (registry_listen(b->registry, on_resource, b, err) < 0) {
		bearer_free(b);
		return -1;
	}
	*out = b;
	return 0;
}

void bearer_free(struct bearer *b)
{
	if (b == NULL)
		return;
	token_cache_free(b->cache);
	free(b);
}

/* --- the token -------------------------------------------------------------------------------------- */

static int fail_unknown(struct ssf_err *err)
{
	return ssf_fail(err, SSF_E_UNAUTHENTICATED, "the bearer token is missing or not valid");
}

/* The log tells the operator why a token was refused; the caller learns only that it was. */
static int fail_refused(const struct ssf_err *why, struct ssf_err *err)
{
	log_debug("auth.token.refused", log_why(why));
	if (why->code == SSF_E_NOMEM || why->code == SSF_E_UNAVAILABLE || why->code == SSF_E_BUSY) {
		*err = *why;
		return -1;
	}
	return fail_unknown(err);
}

/* b64token of RFC 6750 section 2.1; other characters make a token that nobody knows. */
static bool token_parse(struct ssf_str header, struct bearer_token *t)
{
	if (header.len < 8 || strncasecmp(header.ptr, "Bearer ", 7) != 0)
		return false;
	t->text = (struct ssf_str){ header.ptr + 7, header.len - 7 };
	while (t->text.len > 0 && t->text.ptr[0] == ' ') {
		t->text.ptr++;
		t->text.len--;
	}
	if (t->text.len == 0 || t->text.len > TOKEN_MAX)
		return false;
	ssf_sha256(t->text, t->digest);
	return true;
}

/* A caller never has more permissions than its client's resource grants. */
static void caller_set(const struct bearer *b, struct caller *out, const char *client, unsigned perms)
{
	const json_t *spec = registry_get(b->registry, KIND_CLIENT, client);

	*out = (struct caller){ .perms = perms & scope_array_perms(json_object_get(spec, "scopes")) };
	snprintf(out->client, sizeof(out->client), "%s", client);
}

/* --- verified before ----------------------------------------------------------------------------------- */

static struct token_basis basis_now(const struct bearer *b, const char *client)
{
	return (struct token_basis){ registry_version(b->registry, KIND_CLIENT, client),
				     keyring_removals(b->tokens->keyring), b->issuer_changes };
}

static bool recall(const struct bearer *b, const struct bearer_token *t, int64_t now_s,
		   struct caller *out)
{
	struct token_basis then, now;

	if (!token_cache_find(b->cache, t->digest, now_s, out, &then))
		return false;
	now = basis_now(b, out->client);
	return then.client_version == now.client_version && then.key_removals == now.key_removals &&
	       then.issuers == now.issuers;
}

static void remember(struct bearer *b, const struct bearer_token *t, const struct caller *caller,
		     int64_t expires_at)
{
	struct token_basis basis = basis_now(b, caller->client);

	token_cache_put(b->cache, t->digest, caller, &basis, expires_at);
}

/* --- access tokens of other authorization servers (RFC 9068 section 4) ------------------------------------ */

/* "scope" is a space-separated string; some servers write "scp", as a string or an array. */
static unsigned external_perms(const json_t *claims)
{
	const char *scope = json_string_value(json_object_get(claims, "scope"));
	const json_t *scp = json_object_get(claims, "scp"), *one;
	unsigned perms = scope != NULL ? scope_list_perms(scope) : 0;
	size_t i;

	if (json_is_string(scp))
		perms |= scope_list_perms(json_string_value(scp));
	json_array_foreach(scp, i, one)
		perms |= scope_perms(ssf_str_c(json_string_value(one)));
	return perms;
}

static const char *text_or(const json_t *spec, const char *member, const char *otherwise)
{
	const char *text = json_string_value(json_object_get(spec, member));

	return text != NULL ? text : otherwise;
}

int64_t bearer_external_until(int64_t now_s, int64_t exp)
{
	return exp + JWT_SKEW_S < now_s + BEARER_EXTERNAL_S ? exp + JWT_SKEW_S :
							      now_s + BEARER_EXTERNAL_S;
}

/* An external token with everything that is needed to verify it; all borrowed. */
struct external_token {
	const char *issuer; /* id of its resource */
	const json_t *spec; /* of that resource */
	const struct bearer_token *token;
	const struct ssf_jws *jws;
	const struct ssf_key *key;
};

static int external_check(struct bearer *b, const struct external_token *x, struct caller *out,
			  struct ssf_err *err)
{
	const char *const audiences[] = { text_or(x->spec, "audience", b->tokens->issuer), NULL };
	const char *client, *subject, *iss;
	json_auto_t *claims = NULL;
	int64_t now_s = wall_now_ms() / 1000, exp;

	if (!jwt_is_typ(x->jws, text_or(x->spec, "typ", ACCESS_TOKEN_TYP)))
		return ssf_fail(err, SSF_E_UNAUTHENTICATED, "typ: not an access token");
	if (jwt_verify(x->token->text, x->jws, x->key, &claims, err) < 0 ||
	    jwt_check_times(claims, now_s, &exp, err) < 0 ||
	    jwt_check_audience(claims, audiences, false, err) < 0)
		return -1;
	iss = jwt_id(claims, "iss");
	if (iss == NULL || strcmp(iss, text_or(x->spec, "issuer", "")) != 0)
		return ssf_fail(err, SSF_E_UNAUTHENTICATED, "iss: not the expected issuer");
	subject = jwt_id(claims, text_or(x->spec, "client_claim", "client_id"));
	client = subject != NULL ? registry_find_within(b->registry, KIND_CLIENT, "subject", x->issuer, subject) : NULL;
	if (client == NULL)
		return ssf_fail(err, SSF_E_UNAUTHENTICATED, "no client is known by this subject");
	caller_set(b, out, client, external_perms(claims));
	remember(b, x->token, out, bearer_external_until(now_s, exp));
	return 0;
}

/* --- check --------------------------------------------------------------------------------------------------- */

/* *issuer: the id of the resource of the token's issuer; NULL: the hub itself issued it. */
static int issuer_of(const struct bearer *b, const struct ssf_jws *jws, const char **issuer,
		     struct ssf_err *err)
{
	json_auto_t *claims = NULL;
	const char *iss;

	if (jwt_peek(jws, &claims, err) < 0)
		return -1;
	iss = jwt_id(claims, "iss");
	*issuer = NULL;
	if (iss == NULL)
		return fail_unknown(err);
	if (strcmp(iss, b->tokens->issuer) == 0)
		return 0;
	*issuer = registry_find(b->registry, KIND_ISSUER, "issuer", iss);
	return *issuer != NULL ? 0 : fail_unknown(err);
}

static int check_jwt(struct bearer *b, const struct bearer_token *t, const struct ssf_jws *jws,
		     struct caller *out, struct ssf_err *err)
{
	struct external_token x = { .token = t, .jws = jws };
	ssf_auto(ssf_key) key = NULL;
	int64_t exp;

	if (issuer_of(b, jws, &x.issuer, err) < 0)
		return -1;
	if (x.issuer == NULL) {
		if (access_token_check(b->tokens, jws, wall_now_ms() / 1000, out, &exp, err) < 0)
			return -1;
		remember(b, t, out, exp);
		return 0;
	}
	x.spec = registry_get(b->registry, KIND_ISSUER, x.issuer);
	if (json_object_get(x.spec, "jwks") == NULL)
		return BEARER_LATER;
	if (jwks_find(b->jwks, json_object_get(x.spec, "jwks"), jws->kid, jws->alg, &key, err) < 0)
		return -1;
	x.key = key;
	return external_check(b, &x, out, err);
}

static bool digests_equal(const uint8_t a[SSF_SHA256_LEN], const uint8_t b[SSF_SHA256_LEN])
{
	return ssf_str_eq_secret((struct ssf_str){ (const char *)a, SSF_SHA256_LEN },
				 (struct ssf_str){ (const char *)b, SSF_SHA256_LEN });
}

int bearer_check(struct bearer *b, struct ssf_str authorization, struct caller *out, struct ssf_err *err)
{
	char hex[SSF_SHA256_HEX];
	struct bearer_token t;
	struct ssf_jws jws;
	struct ssf_err why;
	const char *client;
	int r;

	if (!token_parse(authorization, &t))
		return fail_unknown(err);
	*out = (struct caller){ .admin = digests_equal(t.digest, b->conf.admin),
				.metrics = digests_equal(t.digest, b->conf.metrics) };
	if (out->admin || out->metrics)
		return 0;
	ssf_hex(t.digest, sizeof(t.digest), hex);
	client = registry_find(b->registry, KIND_CLIENT, "token_sha256", hex);
	if (client != NULL) {
		caller_set(b, out, client, ~0u);
		return 0;
	}
	if (recall(b, &t, wall_now_ms() / 1000, out))
		return 0;
	if (ssf_jws_parse(t.text, &jws, &why) < 0)
		return fail_refused(&why, err);
	r = check_jwt(b, &t, &jws, out, &why);
	ssf_jws_done(&jws);
	return r < 0 ? fail_refused(&why, err) : r;
}

/* --- lookup of an issuer's keys --------------------------------------------------------------------------- */

static void lookup_free(struct bearer_lookup *l)
{
	ssf_jws_done(&l->jws);
	json_decref(l->spec);
	free(l->header);
	free(l);
}

static void on_key(void *arg, struct ssf_key *key, const struct ssf_err *err)
{
	struct bearer_lookup *l = arg;
	bearer_done_f *f = l->f;
	void *f_arg = l->arg;
	struct external_token x = { .issuer = l->issuer, .token = &l->token, .jws = &l->jws, .key = key };
	struct caller caller;
	struct ssf_err why, answer;
	int r;

	l->search = NULL;
	x.spec = registry_get(l->bearer->registry, KIND_ISSUER, l->issuer);
	if (err != NULL) {
		why = *err;
		r = -1;
	} else if (x.spec == NULL) {
		r = ssf_fail(&why, SSF_E_UNAUTHENTICATED, "the issuer was deleted");
	} else if (x.spec != l->spec) { /* the fetched keys may be those of its old URL */
		r = ssf_fail(&why, SSF_E_UNAVAILABLE, "the issuer has changed meanwhile");
	} else {
		r = external_check(l->bearer, &x, &caller, &why);
	}
	lookup_free(l);
	if (r < 0)
		(void)fail_refused(&why, &answer);
	f(f_arg, r == 0 ? &caller : NULL, r == 0 ? NULL : &answer);
}

static int lookup_begin(struct bearer_lookup *l, struct ssf_err *err)
{
	struct bearer *b = l->bearer;
	const char *issuer;

	if (!token_parse(ssf_str_c(l->header), &l->token))
		return fail_unknown(err);
	if (ssf_jws_parse(l->token.text, &l->jws, err) < 0 || issuer_of(b, &l->jws, &issuer, err) < 0)
		return -1;
	if (issuer == NULL)
		return fail_unknown(err);
	snprintf(l->issuer, sizeof(l->issuer), "%s", issuer);
	l->spec = json_incref((json_t *)registry_get(b->registry, KIND_ISSUER, issuer));
	return jwks_search_start(b->jwks, text_or(l->spec, "jwks_url", ""), l->jws.kid, l->jws.alg,
				 on_key, l, &l->search, err);
}

int bearer_lookup_start(struct bearer *b, struct ssf_str authorization, bearer_done_f *f, void *arg,
			struct bearer_lookup **out, struct ssf_err *err)
{
	struct bearer_lookup *l = calloc(1, sizeof(*l));

	if (l == NULL || (l->header = ssf_str_dup(authorization)) == NULL) {
		free(l);
		return ssf_fail(err, SSF_E_NOMEM, "request");
	}
	l->bearer = b;
	l->f = f;
	l->arg = arg;
	if (lookup_begin(l, err) < 0) {
		lookup_free(l);
		return -1;
	}
	*out = l;
	return 0;
}

void bearer_lookup_cancel(struct bearer_lookup *l)
{
	if (l == NULL)
		return;
	jwks_search_cancel(l->search);
	lookup_free(l);
}
