/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The token endpoint. One request is a machine:
 *
 *   parse -> client by secret -> grant
 *   parse -> client by assertion -> [keys ->] verify -> used before? (database) -> grant
 *
 * A client that is not known and a secret that is wrong get the same answer after the same work.
 * An assertion counts as used before its token is sent, whatever happens then.
 */
#include "hub/auth/oauth.h"

#include "hub/auth/access_token.h"
#include "hub/auth/assertion.h"
#include "hub/auth/auth_priv.h"
#include "hub/auth/oauth_request.h"
#include "lib/http/jwks.h"
#include "lib/kit/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOKEN_BUF (32 * 1024)

struct grant {
	struct auth *auth;
	struct http_req *req;
	struct oauth_request request;
	char client[AUTH_CLIENT_LEN]; /* that it claims to be, then is */
	int64_t version;              /* of the client's resource that it was looked up in */
	struct ssf_jws jws;           /* of the assertion */
	struct jwks_search *search;
	struct db_op *op;
};

static void grant_free(struct grant *g)
{
	ssf_jws_done(&g->jws);
	oauth_request_done(&g->request);
	free(g);
}

/* --- answers --------------------------------------------------------------------------------------- */

static void send_json(struct grant *g, int status, json_t *body, const char *name, const char *value)
{
	ssf_auto_free char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
	struct http_answer a = {
		.status = text != NULL ? status : 503,
		.content_type = "application/json",
		.body = ssf_str_c(text != NULL ? text : "{\"error\":\"server_error\"}"),
		.headers = { { "Cache-Control", "no-store" }, { "Pragma", "no-cache" }, { name, value } },
	};

	http_reply(g->req, &a);
	json_decref(body);
	grant_free(g);
}

/* RFC 6749 section 5.2. The description names what is wrong, never a value. */
static void refuse(struct grant *g, const char *error, int status, const struct ssf_err *err)
{
	json_t *body = json_pack("{s:s, s:s}", "error", error, "error_description", err->msg);
	/* what is no client's id may be anything, a secret in the wrong place as well */
	bool known = registry_get(g->auth->registry, KIND_CLIENT, g->client) != NULL;

	log_warn("oauth.token.refused", log_str("client", known ? g->client : ""),
		 log_str("error", error), log_why(err), log_str("peer", http_peer(g->req)));
	if (status == 401)
		send_json(g, status, body, "WWW-Authenticate", "Basic realm=\"ssfhub\"");
	else if (status == 503)
		send_json(g, status, body, "Retry-After", "1");
	else
		send_json(g, status, body, NULL, NULL);
}

/* What is not the client's fault is 503; everything else about who it is, one answer. */
static void refuse_client(struct grant *g, const struct ssf_err *err)
{
	struct ssf_err shown;

	if (ssf_code_info(err->code)->http_status >= 500) {
		refuse(g, "temporarily_unavailable", 503, err);
		return;
	}
	log_debug("oauth.client.refused", log_why(err));
	ssf_fail(&shown, SSF_E_UNAUTHENTICATED, "client authentication failed");
	refuse(g, "invalid_client", 401, &shown);
}

static void refuse_rate(struct grant *g, int64_t seconds)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)seconds);
	send_json(g, 429,
		  json_pack("{s:s, s:s}", "error", "too_many_requests", "error_description",
			    "come back later"),
		  "Retry-After", text);
}

/* --- grant ----------------------------------------------------------------------------------------------- */

/* What a client gets that asks for nothing in particular: all that it may have. */
static void scope_default(const json_t *client, char out[SCOPE_MAX + 1])
{
	const json_t *scopes = json_object_get(client, "scopes"), *scope;
	size_t i, len = 0;

	snprintf(out, SCOPE_MAX + 1, "%s", scopes == NULL ? SCOPE_DEFAULT : "");
	json_array_foreach(scopes, i, scope) {
		int n = snprintf(out + len, SCOPE_MAX + 1 - len, "%s%s", len > 0 ? " " : "",
				 json_string_value(scope));
		if (n < 0 || len + (size_t)n > SCOPE_MAX)
			break;
		len += (size_t)n;
	}
}

static void answer_token(struct grant *g, const char *scope)
{
	struct auth *a = g->auth;
	ssf_auto_buf token = SSF_BUF(TOKEN_BUF);
	struct ssf_err err;

	if (access_token_make(a, g->client, scope, wall_now_ms() / 1000, &token, &err) < 0) {
		refuse(g, "temporarily_unavailable", 503, &err);
		return;
	}
	log_info("oauth.token.issued", log_str("client", g->client), log_str("scope", scope),
		 log_str("method", oauth_method_name(g->request.method)));
	send_json(g, 200,
		  json_pack("{s:s, s:s, s:I, s:s}", "access_token", token.ptr, "token_type", "Bearer",
			    "expires_in", (json_int_t)a->conf.token_lifetime_s, "scope", scope),
		  NULL, NULL);
}

/* The client is who it says, by what its resource said then: the token is to be worth no more than that. */
static void grant(struct grant *g)
{
	const json_t *client = registry_get(g->auth->registry, KIND_CLIENT, g->client);
	const char *type = g->request.grant_type;
	char scope[SCOPE_MAX + 1];
	int64_t wait = auth_rate_client(g->auth, g->client);
	struct ssf_err err;

	if (client == NULL) { /* deleted while we looked */
		ssf_fail(&err, SSF_E_UNAUTHENTICATED, "the client is gone");
		refuse_client(g, &err);
	} else if (registry_version(g->auth->registry, KIND_CLIENT, g->client) != g->version) {
		ssf_fail(&err, SSF_E_UNAUTHENTICATED, "the client has changed meanwhile");
		refuse_client(g, &err);
	} else if (wait > 0) {
		refuse_rate(g, wait);
	} else if (type == NULL) {
		ssf_fail(&err, SSF_E_MALFORMED, "grant_type: missing");
		refuse(g, "invalid_request", 400, &err);
	} else if (strcmp(type, "client_credentials") != 0) {
		ssf_fail(&err, SSF_E_MALFORMED, "grant_type: must be client_credentials");
		refuse(g, "unsupported_grant_type", 400, &err);
	} else if (g->request.scope != NULL &&
		   !scope_list_within(g->request.scope, auth_client_perms(client))) {
		ssf_fail(&err, SSF_E_SCOPE, "scope: not one of this client's");
		refuse(g, "invalid_scope", 400, &err);
	} else {
		scope_default(client, scope);
		answer_token(g, g->request.scope != NULL ? g->request.scope : scope);
	}
}

/* --- by secret ------------------------------------------------------------------------------------------- */

static void by_secret(struct grant *g)
{
	const json_t *client = registry_get(g->auth->registry, KIND_CLIENT, g->client);
	const char *hex = json_string_value(json_object_get(client, "secret_sha256"));
	uint8_t given[SSF_SHA256_LEN], stored[SSF_SHA256_LEN] = { 0 };
	bool known = hex != NULL && ssf_unhex(ssf_str_c(hex), stored, sizeof(stored)) == 0;
	struct ssf_err err;

	g->version = registry_version(g->auth->registry, KIND_CLIENT, g->client);
	ssf_sha256(ssf_str_c(g->request.client_secret), given);
	if (ssf_str_eq_secret((struct ssf_str){ (const char *)given, sizeof(given) },
			      (struct ssf_str){ (const char *)stored, sizeof(stored) }) &&
	    known) {
		grant(g);
		return;
	}
	ssf_fail(&err, SSF_E_UNAUTHENTICATED, "client_secret: wrong, or no such client");
	refuse_client(g, &err);
}

/* --- by assertion ------------------------------------------------------------------------------------------ */

static void on_taken(void *arg, const struct db_result *r, const struct ssf_err *err)
{
	struct grant *g = arg;
	struct ssf_err why;

	g->op = NULL;
	if (err != NULL) {
		refuse_client(g, err);
	} else if (db_rows(r) == 0 || db_text(r, 0, 0)[0] != 't') {
		log_warn("oauth.assertion.replayed", log_str("client", g->client),
			 log_str("peer", http_peer(g->req)));
		ssf_fail(&why, SSF_E_UNAUTHENTICATED, "jti: used before");
		refuse_client(g, &why);
	} else {
		grant(g);
	}
}

static int take_once(struct grant *g, const struct assertion *assertion, struct ssf_err *err)
{
	char once[SSF_SHA256_HEX], until[24];
	const char *params[] = { once, until };

	ssf_hex(assertion->once, sizeof(assertion->once), once);
	snprintf(until, sizeof(until), "%lld", (long long)assertion->remember_until);
	return db_exec(g->auth->db, STMT_client_assertion_take, params, on_taken, g, &g->op, err);
}

static void verify(struct grant *g, const struct ssf_key *key)
{
	const char *const ours[] = { g->auth->conf.issuer, g->auth->conf.token_endpoint, NULL };
	json_auto_t *claims = NULL;
	struct assertion assertion;
	struct ssf_err err;

	if (jwt_verify(ssf_str_c(g->request.assertion), &g->jws, key, &claims, &err) < 0 ||
	    assertion_check(claims, ours, wall_now_ms() / 1000, &assertion, &err) < 0 ||
	    take_once(g, &assertion, &err) < 0)
		refuse_client(g, &err);
}

static void on_key(void *arg, struct ssf_key *key, const struct ssf_err *err)
{
	struct grant *g = arg;

	g->search = NULL;
	if (err != NULL)
		refuse_client(g, err);
	else
		verify(g, key);
}

/* Whose assertion it claims to be; its resource, borrowed. */
static int assertion_start(struct grant *g, const json_t **client, struct ssf_err *err)
{
	json_auto_t *claims = NULL;
	const char *id;

	if (ssf_jws_parse(ssf_str_c(g->request.assertion), &g->jws, err) < 0 ||
	    jwt_peek(&g->jws, &claims, err) < 0 || assertion_client(claims, &id, err) < 0)
		return -1;
	if (g->request.client_id != NULL && strcmp(g->request.client_id, id) != 0)
		return ssf_fail(err, SSF_E_UNAUTHENTICATED, "client_id: not the assertion's");
	snprintf(g->client, sizeof(g->client), "%s", id);
	*client = registry_get(g->auth->registry, KIND_CLIENT, id);
	g->version = registry_version(g->auth->registry, KIND_CLIENT, id);
	return *client != NULL ? 0 : ssf_fail(err, SSF_E_UNAUTHENTICATED, "no such client");
}

static void by_assertion(struct grant *g)
{
	const json_t *client, *jwks = NULL;
	const char *url = NULL;
	ssf_auto(ssf_key) key = NULL;
	struct ssf_err err;
	int r = assertion_start(g, &client, &err);

	if (r == 0) {
		jwks = json_object_get(client, "jwks");
		url = json_string_value(json_object_get(client, "jwks_url"));
	}
	if (r == 0 && jwks == NULL && url == NULL)
		r = ssf_fail(&err, SSF_E_UNAUTHENTICATED, "the client has no keys");
	if (r == 0 && jwks != NULL) {
		r = jwks_find(g->auth->jwks, jwks, g->jws.kid, g->jws.alg, &key, &err);
		if (r == 0) {
			verify(g, key);
			return;
		}
	} else if (r == 0) {
		r = jwks_search_start(g->auth->jwks, url, g->jws.kid, g->jws.alg, on_key, g,
				      &g->search, &err);
	}
	if (r < 0)
		refuse_client(g, &err);
}

/* --- request ------------------------------------------------------------------------------------------------- */

static void begin(struct grant *g)
{
	struct ssf_err err;
	int64_t wait = auth_rate_address(g->auth, g->req);

	if (wait > 0) {
		refuse_rate(g, wait);
		return;
	}
	if (oauth_request_parse(http_header(g->req, "Content-Type"),
				http_header(g->req, "Authorization"), http_body(g->req), &g->request,
				&err) < 0) {
		if (err.code == SSF_E_UNAUTHENTICATED)
			refuse_client(g, &err);
		else
			refuse(g, "invalid_request", err.code == SSF_E_LIMIT ? 413 : 400, &err);
		return;
	}
	if (g->request.client_id != NULL && strlen(g->request.client_id) < sizeof(g->client))
		memcpy(g->client, g->request.client_id, strlen(g->request.client_id) + 1);
	switch (g->request.method) {
	case OAUTH_CLIENT_SECRET_BASIC:
	case OAUTH_CLIENT_SECRET_POST:
		by_secret(g);
		return;
	case OAUTH_PRIVATE_KEY_JWT:
		by_assertion(g);
		return;
	case OAUTH_NONE:
		break;
	}
	ssf_fail(&err, SSF_E_UNAUTHENTICATED, "the client did not authenticate");
	refuse_client(g, &err);
}

void oauth_token(struct auth *a, struct http_req *req)
{
	struct grant *g = calloc(1, sizeof(*g));

	if (g == NULL) {
		http_reply_json(req, 503, "{\"error\":\"temporarily_unavailable\"}");
		return;
	}
	g->auth = a;
	g->req = req;
	begin(g);
}

/* --- metadata ---------------------------------------------------------------------------------------------- */

static json_t *scopes_supported(void)
{
	json_t *list = json_array();

	for (unsigned i = 0; scope_name(i) != NULL; i++)
		json_array_append_new(list, json_string(scope_name(i)));
	return list;
}

/* response_types_supported is required, though there is no authorization endpoint (RFC 8414 section 2). */
json_t *oauth_server_metadata(const struct auth *a)
{
	return json_pack(
		"{s:s, s:s, s:[], s:[s], s:[s, s, s], s:[s, s], s:o}", "issuer",
		a->conf.issuer, "token_endpoint", a->conf.token_endpoint,
		"response_types_supported", "grant_types_supported", "client_credentials",
		"token_endpoint_auth_methods_supported",
		oauth_method_name(OAUTH_CLIENT_SECRET_BASIC), oauth_method_name(OAUTH_CLIENT_SECRET_POST),
		oauth_method_name(OAUTH_PRIVATE_KEY_JWT),
		"token_endpoint_auth_signing_alg_values_supported", "RS256", "ES256",
		"scopes_supported", scopes_supported());
}

json_t *oauth_resource_metadata(const struct auth *a)
{
	json_t *servers = json_pack("[s]", a->conf.issuer), *spec;
	const char *id;

	json_object_foreach((json_t *)registry_all(a->registry, KIND_ISSUER), id, spec)
		json_array_append(servers, json_object_get(spec, "issuer"));
	return json_pack("{s:s, s:o, s:[s], s:o, s:s}", "resource", a->conf.issuer,
			 "authorization_servers", servers, "bearer_methods_supported", "header",
			 "scopes_supported", scopes_supported(), "resource_name", "ssfhub");
}
