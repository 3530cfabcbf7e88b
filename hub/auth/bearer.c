/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a bearer token to a caller. What has been verified is remembered until it expires, its client
 * changes, or its key may be one that does not count any more: a receiver sends the same token with
 * every request.
 */
#include "hub/auth/auth.h"

#include "hub/auth/access_token.h"
#include "hub/auth/auth_priv.h"
#include "hub/auth/jwt.h"
#include "lib/http/jwks.h"
#include "lib/kit/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define TOKEN_MAX (16 * 1024)

/* A token with what is known of it. */
struct presented {
	struct ssf_str text;
	uint8_t digest[SSF_SHA256_LEN];
};

static int unknown(struct ssf_err *err)
{
	return ssf_fail(err, SSF_E_UNAUTHENTICATED, "the bearer token is missing or not valid");
}

/* b64token of RFC 6750 section 2.1; anything else is simply not a token that we know. */
static bool presented_of(struct ssf_str header, struct presented *p)
{
	if (header.len < 8 || strncasecmp(header.ptr, "Bearer ", 7) != 0)
		return false;
	p->text = (struct ssf_str){ header.ptr + 7, header.len - 7 };
	while (p->text.len > 0 && p->text.ptr[0] == ' ') {
		p->text.ptr++;
		p->text.len--;
	}
	if (p->text.len == 0 || p->text.len > TOKEN_MAX)
		return false;
	ssf_sha256(p->text, p->digest);
	return true;
}

unsigned auth_client_perms(const json_t *client)
{
	const json_t *scopes = json_object_get(client, "scopes"), *scope;
	unsigned perms = 0;
	size_t i;

	if (scopes == NULL)
		return scope_list_perms(SCOPE_DEFAULT);
	json_array_foreach(scopes, i, scope)
		perms |= scope_perms(ssf_str_c(json_string_value(scope)));
	return perms;
}

static void caller_set(struct auth *a, struct caller *out, const char *client, unsigned perms)
{
	*out = (struct caller){
		.perms = perms & auth_client_perms(registry_get(a->registry, KIND_CLIENT, client))
	};
	snprintf(out->client, sizeof(out->client), "%s", client);
}

/* --- what has been verified before ---------------------------------------------------------------------- */

static struct auth_cached *slot_of(struct auth *a, const uint8_t digest[SSF_SHA256_LEN])
{
	return &a->cache[(digest[0] | digest[1] << 8) % AUTH_CACHE_SLOTS];
}

static bool recall(struct auth *a, const struct presented *p, int64_t now, struct caller *out)
{
	const struct auth_cached *c = slot_of(a, p->digest);

	if (c->expires_at <= now || memcmp(c->digest, p->digest, sizeof(c->digest)) != 0 ||
	    c->keys_gone != keys_gone(a->keys) || c->issuers != a->issuers ||
	    c->client_version != registry_version(a->registry, KIND_CLIENT, c->caller.client))
		return false;
	*out = c->caller;
	return true;
}

static void remember(struct auth *a, const struct presented *p, const struct caller *caller,
		     int64_t expires_at)
{
	struct auth_cached *c = slot_of(a, p->digest);

	*c = (struct auth_cached){
		.caller = *caller,
		.client_version = registry_version(a->registry, KIND_CLIENT, caller->client),
		.keys_gone = keys_gone(a->keys),
		.issuers = a->issuers,
		.expires_at = expires_at,
	};
	memcpy(c->digest, p->digest, sizeof(c->digest));
}

/* --- access tokens of other authorization servers (RFC 9068 section 4) ------------------------------------ */

/* "scope" is a string with blanks; some write "scp", as an array. */
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

/* Nobody tells us when that server withdraws a key. */
int64_t auth_external_until(int64_t now, int64_t exp)
{
	return exp + JWT_SKEW_S < now + AUTH_EXTERNAL_S ? exp + JWT_SKEW_S : now + AUTH_EXTERNAL_S;
}

static int external_check(struct auth *a, const char *issuer, const json_t *spec,
			  const struct presented *p, const struct ssf_jws *jws,
			  const struct ssf_key *key, struct caller *out, struct ssf_err *err)
{
	const char *const ours[] = { text_or(spec, "audience", a->conf.issuer), NULL };
	const char *client, *subject, *iss;
	json_auto_t *claims = NULL;
	int64_t now = wall_now_ms() / 1000, exp;

	if (!jwt_is_typ(jws, text_or(spec, "typ", ACCESS_TOKEN_TYP)))
		return ssf_fail(err, SSF_E_UNAUTHENTICATED, "typ: not of an access token");
	if (jwt_verify(p->text, jws, key, &claims, err) < 0 ||
	    jwt_check_times(claims, now, &exp, err) < 0 ||
	    jwt_check_audience(claims, ours, false, err) < 0)
		return -1;
	iss = jwt_id(claims, "iss");
	if (iss == NULL || strcmp(iss, text_or(spec, "issuer", "")) != 0)
		return ssf_fail(err, SSF_E_UNAUTHENTICATED, "iss: not the expected issuer");
	subject = jwt_id(claims, text_or(spec, "client_claim", "client_id"));
	client = subject != NULL ? registry_client_of_subject(a->registry, issuer, subject) : NULL;
	if (client == NULL)
		return ssf_fail(err, SSF_E_UNAUTHENTICATED, "no client is known by this subject");
	caller_set(a, out, client, external_perms(claims));
	remember(a, p, out, auth_external_until(now, exp));
	return 0;
}

/* --- now ------------------------------------------------------------------------------------------------------ */

/* Of a JWT whose issuer we know: a resource's id, NULL when it is ourselves. */
static int issuer_of(const struct auth *a, const struct ssf_jws *jws, const char **issuer,
		     struct ssf_err *err)
{
	json_auto_t *claims = NULL;
	const char *iss;

	if (jwt_peek(jws, &claims, err) < 0)
		return -1;
	iss = jwt_id(claims, "iss");
	*issuer = NULL;
	if (iss == NULL)
		return unknown(err);
	if (strcmp(iss, a->conf.issuer) == 0)
		return 0;
	*issuer = registry_issuer_of(a->registry, iss);
	return *issuer != NULL ? 0 : unknown(err);
}

static int own_check(struct auth *a, const struct presented *p, const struct ssf_jws *jws,
		     struct caller *out, struct ssf_err *err)
{
	int64_t exp;

	if (access_token_check(a, jws, wall_now_ms() / 1000, out, &exp, err) < 0)
		return -1;
	remember(a, p, out, exp);
	return 0;
}

static int jwt_now(struct auth *a, const struct presented *p, const struct ssf_jws *jws,
		   struct caller *out, struct ssf_err *err)
{
	ssf_auto(ssf_key) key = NULL;
	const json_t *spec;
	const char *issuer;

	if (issuer_of(a, jws, &issuer, err) < 0)
		return -1;
	if (issuer == NULL)
		return own_check(a, p, jws, out, err);
	spec = registry_get(a->registry, KIND_ISSUER, issuer);
	if (json_object_get(spec, "jwks") == NULL)
		return AUTH_LATER;
	if (jwks_find(a->jwks, json_object_get(spec, "jwks"), jws->kid, jws->alg, &key, err) < 0)
		return -1;
	return external_check(a, issuer, spec, p, jws, key, out, err);
}

/* Why it was refused is for the operator; the caller learns only that it was. */
static int refuse(const struct ssf_err *why, struct ssf_err *err)
{
	log_debug("auth.token.refused", log_why(why));
	if (why->code == SSF_E_NOMEM || why->code == SSF_E_UNAVAILABLE || why->code == SSF_E_BUSY) {
		*err = *why;
		return -1;
	}
	return unknown(err);
}

static bool same_digest(const uint8_t a[SSF_SHA256_LEN], const uint8_t b[SSF_SHA256_LEN])
{
	return ssf_str_eq_secret((struct ssf_str){ (const char *)a, SSF_SHA256_LEN },
				 (struct ssf_str){ (const char *)b, SSF_SHA256_LEN });
}

int auth_now(struct auth *a, struct ssf_str authorization, struct caller *out, struct ssf_err *err)
{
	char hex[SSF_SHA256_HEX];
	struct presented p;
	struct ssf_jws jws;
	struct ssf_err why;
	const char *client;
	int r;

	if (!presented_of(authorization, &p))
		return unknown(err);
	*out = (struct caller){ .admin = same_digest(p.digest, a->conf.admin),
				.metrics = same_digest(p.digest, a->conf.metrics) };
	if (out->admin || out->metrics)
		return 0;
	ssf_hex(p.digest, sizeof(p.digest), hex);
	client = registry_client_of_token(a->registry, hex);
	if (client != NULL) {
		caller_set(a, out, client, ~0u);
		return 0;
	}
	if (recall(a, &p, wall_now_ms() / 1000, out))
		return 0;
	if (ssf_jws_parse(p.text, &jws, &why) < 0)
		return refuse(&why, err);
	r = jwt_now(a, &p, &jws, out, &why);
	ssf_jws_done(&jws);
	return r < 0 ? refuse(&why, err) : r;
}

/* --- later ---------------------------------------------------------------------------------------------------- */

struct auth_wait {
	struct auth *auth;
	char *header;
	struct presented p; /* a view of the header */
	struct ssf_jws jws;
	char issuer[AUTH_CLIENT_LEN];
	json_t *spec;       /* of the issuer, as it was when we asked for its keys */
	struct jwks_search *search;
	auth_done_f *f;
	void *arg;
};

static void wait_free(struct auth_wait *w)
{
	ssf_jws_done(&w->jws);
	json_decref(w->spec);
	free(w->header);
	free(w);
}

static void on_key(void *arg, struct ssf_key *key, const struct ssf_err *err)
{
	struct auth_wait *w = arg;
	auth_done_f *f = w->f;
	void *f_arg = w->arg;
	const json_t *spec = registry_get(w->auth->registry, KIND_ISSUER, w->issuer);
	struct caller caller;
	struct ssf_err why, answer;
	int r;

	w->search = NULL;
	if (err != NULL) {
		why = *err;
		r = -1;
	} else if (spec == NULL) {
		r = ssf_fail(&why, SSF_E_UNAUTHENTICATED, "the issuer is gone");
	} else if (spec != w->spec) { /* what has come may be keys of its old address */
		r = ssf_fail(&why, SSF_E_UNAVAILABLE, "the issuer has changed meanwhile");
	} else {
		r = external_check(w->auth, w->issuer, spec, &w->p, &w->jws, key, &caller, &why);
	}
	wait_free(w);
	if (r < 0)
		(void)refuse(&why, &answer);
	f(f_arg, r == 0 ? &caller : NULL, r == 0 ? NULL : &answer);
}

static int wait_begin(struct auth_wait *w, struct ssf_err *err)
{
	struct auth *a = w->auth;
	const char *issuer;

	if (!presented_of(ssf_str_c(w->header), &w->p))
		return unknown(err);
	if (ssf_jws_parse(w->p.text, &w->jws, err) < 0 || issuer_of(a, &w->jws, &issuer, err) < 0)
		return -1;
	if (issuer == NULL)
		return unknown(err);
	snprintf(w->issuer, sizeof(w->issuer), "%s", issuer);
	w->spec = json_incref((json_t *)registry_get(a->registry, KIND_ISSUER, issuer));
	return jwks_search_start(a->jwks, text_or(w->spec, "jwks_url", ""), w->jws.kid,
				 w->jws.alg, on_key, w, &w->search, err);
}

int auth_start(struct auth *a, struct ssf_str authorization, auth_done_f *f, void *arg,
	       struct auth_wait **out, struct ssf_err *err)
{
	struct auth_wait *w = calloc(1, sizeof(*w));

	if (w == NULL || (w->header = ssf_str_dup(authorization)) == NULL) {
		free(w);
		return ssf_fail(err, SSF_E_NOMEM, "request");
	}
	w->auth = a;
	w->f = f;
	w->arg = arg;
	if (wait_begin(w, err) < 0) {
		wait_free(w);
		return -1;
	}
	*out = w;
	return 0;
}

void auth_cancel(struct auth_wait *w)
{
	if (w == NULL)
		return;
	jwks_search_cancel(w->search);
	wait_free(w);
}
