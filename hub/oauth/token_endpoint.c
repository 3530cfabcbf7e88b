/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request is a machine:
 *
 *   parse -> check secret -> grant
 *   parse -> find key (may fetch) -> verify assertion -> mark it used (database) -> grant
 *
 * An unknown client and a wrong secret get the same answer after the same work. An assertion is marked
 * used before its token is sent, whatever happens afterwards.
 */
#include "hub/oauth/token_endpoint.h"

#include "hub/auth/jwt.h"
#include "hub/oauth/client_assertion.h"
#include "hub/oauth/token_request.h"
#include "hub/scopes/scope.h"
#include "lib/http/http_error.h"
#include "lib/kit/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOKEN_BUF (32 * 1024)

struct grant {
	const struct token_endpoint *endpoint;
	struct http_req *req;
	struct token_request request;
	char client[CALLER_CLIENT_LEN]; /* the client it claims to be; authenticated at grant_token() */
	int64_t version;                /* of the client's resource when it was authenticated */
	struct ssf_jws jws;             /* of the assertion */
	struct jwks_search *search;
	struct db_op *op;
};

static void grant_free(struct grant *g)
{
	jwks_search_cancel(g->search);
	db_cancel(g->op);
	ssf_jws_done(&g->jws);
	token_request_done(&g->request);
	free(g);
}

/* --- answers --------------------------------------------------------------------------------------- */

/* Answers the request and ends it; consumes body. */
static void answer(struct grant *g, int status, json_t *body, const char *name, const char *value)
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

/* RFC 6749 section 5.2. The description names the field at fault, never its value. */
static void answer_error(struct grant *g, const char *error, int status, const struct ssf_err *err)
{
	json_t *body = json_pack("{s:s, s:s}", "error", error, "error_description", err->msg);
	/* an unknown id is not logged: it may be a secret in the wrong place */
	bool known = registry_get(g->endpoint->registry, KIND_CLIENT, g->client) != NULL;

	log_warn("oauth.token.refused", log_str("client", known ? g->client : ""),
		 log_str("error", error), log_why(err), log_str("peer", http_peer(g->req)));
	if (status == 401)
		answer(g, status, body, "WWW-Authenticate", "Basic realm=\"ssfhub\"");
	else if (status == 503)
		answer(g, status, body, "Retry-After", "1");
	else
		answer(g, status, body, NULL, NULL);
}

/* 503 for the hub's own failures; one and the same answer for every failed authentication. */
static void answer_unauthenticated(struct grant *g, const struct ssf_err *err)
{
	struct ssf_err shown;

	if (ssf_code_info(err->code)->http_status >= 500) {
		answer_error(g, "temporarily_unavailable", 503, err);
		return;
	}
	log_debug("oauth.client.refused", log_why(err));
	ssf_fail(&shown, SSF_E_UNAUTHENTICATED, "client authentication failed");
	answer_error(g, "invalid_client", 401, &shown);
}

static void answer_rate_limited(struct grant *g, int64_t seconds)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)seconds);
	answer(g, 429,
		  json_pack("{s:s, s:s}", "error", "too_many_requests", "error_description",
			    "come back later"),
		  "Retry-After", text);
}

/* --- grant ----------------------------------------------------------------------------------------------- */

/* A request without a scope is granted everything that the client may have. */
static void default_scope(const json_t *client, char out[SCOPE_MAX + 1])
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
	const struct access_tokens *tokens = g->endpoint->tokens;
	ssf_auto_buf token = SSF_BUF(TOKEN_BUF);
	struct ssf_err err;

	if (access_token_make(tokens, g->client, scope, wall_now_ms() / 1000, &token, &err) < 0) {
		answer_error(g, "temporarily_unavailable", 503, &err);
		return;
	}
	log_info("oauth.token.issued", log_str("client", g->client), log_str("scope", scope),
		 log_str("method", token_request_method_name(g->request.method)));
	answer(g, 200,
		  json_pack("{s:s, s:s, s:I, s:s}", "access_token", token.ptr, "token_type", "Bearer",
			    "expires_in", (json_int_t)tokens->lifetime_s, "scope", scope),
		  NULL, NULL);
}

/*
 * The client is authenticated by what its resource said at g->version. If the resource has changed since,
 * the token must not be granted: the change may have revoked the very credential.
 */
static void grant_token(struct grant *g)
{
	const json_t *client = registry_get(g->endpoint->registry, KIND_CLIENT, g->client);
	const char *type = g->request.grant_type;
	char scope[SCOPE_MAX + 1];
	int64_t wait = rate_limits_take_client(g->endpoint->limits, g->client);
	struct ssf_err err;

	if (client == NULL) { /* deleted meanwhile */
		ssf_fail(&err, SSF_E_UNAUTHENTICATED, "the client was deleted");
		answer_unauthenticated(g, &err);
	} else if (registry_version(g->endpoint->registry, KIND_CLIENT, g->client) != g->version) {
		ssf_fail(&err, SSF_E_UNAUTHENTICATED, "the client has changed meanwhile");
		answer_unauthenticated(g, &err);
	} else if (wait > 0) {
		answer_rate_limited(g, wait);
	} else if (type == NULL) {
		ssf_fail(&err, SSF_E_MALFORMED, "grant_type: missing");
		answer_error(g, "invalid_request", 400, &err);
	} else if (strcmp(type, "client_credentials") != 0) {
		ssf_fail(&err, SSF_E_MALFORMED, "grant_type: must be client_credentials");
		answer_error(g, "unsupported_grant_type", 400, &err);
	} else if (g->request.scope != NULL &&
		   !scope_list_within(g->request.scope, scope_array_perms(json_object_get(client, "scopes")))) {
		ssf_fail(&err, SSF_E_SCOPE, "scope: not one of the client's");
		answer_error(g, "invalid_scope", 400, &err);
	} else {
		default_scope(client, scope);
		answer_token(g, g->request.scope != NULL ? g->request.scope : scope);
	}
}

/* --- by secret ------------------------------------------------------------------------------------------- */

static void check_secret(struct grant *g)
{
	const json_t *client = registry_get(g->endpoint->registry, KIND_CLIENT, g->client);
	const char *hex = json_string_value(json_object_get(client, "secret_sha256"));
	uint8_t given[SSF_SHA256_LEN], stored[SSF_SHA256_LEN] = { 0 };
	bool known = hex != NULL && ssf_unhex(ssf_str_c(hex), stored, sizeof(stored)) == 0;
	struct ssf_err err;

	g->version = registry_version(g->endpoint->registry, KIND_CLIENT, g->client);
	ssf_sha256(ssf_str_c(g->request.client_secret), given);
	if (ssf_str_eq_secret((struct ssf_str){ (const char *)given, sizeof(given) },
			      (struct ssf_str){ (const char *)stored, sizeof(stored) }) &&
	    known) {
		grant_token(g);
		return;
	}
	ssf_fail(&err, SSF_E_UNAUTHENTICATED, "client_secret: wrong, or no such client");
	answer_unauthenticated(g, &err);
}

/* --- by assertion ------------------------------------------------------------------------------------------ */

static void on_marked_used(void *arg, const struct db_result *r, const struct ssf_err *err)
{
	struct grant *g = arg;
	struct ssf_err why;

	g->op = NULL;
	if (err != NULL) {
		answer_unauthenticated(g, err);
	} else if (db_rows(r) == 0 || !db_bool(r, 0, 0)) {
		log_warn("oauth.assertion.replayed", log_str("client", g->client),
			 log_str("peer", http_peer(g->req)));
		ssf_fail(&why, SSF_E_UNAUTHENTICATED, "jti: used before");
		answer_unauthenticated(g, &why);
	} else {
		grant_token(g);
	}
}

static int mark_used(struct grant *g, const struct client_assertion *assertion, struct ssf_err *err)
{
	char once[SSF_SHA256_HEX];

	ssf_hex(assertion->once, sizeof(assertion->once), once);
	return db_exec(g->endpoint->db, STMT_client_assertion_take,
		       DB_PARAMS(db_param_text(once), db_param_int(assertion->remember_until)), on_marked_used, g,
		       &g->op, err);
}

static void verify_assertion(struct grant *g, const struct ssf_key *key)
{
	const char *const audiences[] = { g->endpoint->tokens->issuer, g->endpoint->url, NULL };
	json_auto_t *claims = NULL;
	struct client_assertion assertion;
	struct ssf_err err;

	if (jwt_verify(ssf_str_c(g->request.assertion), &g->jws, key, &claims, &err) < 0 ||
	    client_assertion_check(claims, audiences, wall_now_ms() / 1000, &assertion, &err) < 0 ||
	    mark_used(g, &assertion, &err) < 0)
		answer_unauthenticated(g, &err);
}

static void on_key(void *arg, struct ssf_key *key, const struct ssf_err *err)
{
	struct grant *g = arg;

	g->search = NULL;
	if (err != NULL)
		answer_unauthenticated(g, err);
	else
		verify_assertion(g, key);
}

/* Parses the assertion and finds the client that it claims to be of; *client is borrowed. */
static int parse_assertion(struct grant *g, const json_t **client, struct ssf_err *err)
{
	json_auto_t *claims = NULL;
	const char *id;

	if (ssf_jws_parse(ssf_str_c(g->request.assertion), &g->jws, err) < 0 ||
	    jwt_peek(&g->jws, &claims, err) < 0 || client_assertion_client(claims, &id, err) < 0)
		return -1;
	if (g->request.client_id != NULL && strcmp(g->request.client_id, id) != 0)
		return ssf_fail(err, SSF_E_UNAUTHENTICATED, "client_id: not the one in the assertion");
	snprintf(g->client, sizeof(g->client), "%s", id);
	*client = registry_get(g->endpoint->registry, KIND_CLIENT, id);
	g->version = registry_version(g->endpoint->registry, KIND_CLIENT, id);
	return *client != NULL ? 0 : ssf_fail(err, SSF_E_UNAUTHENTICATED, "no such client");
}

static void check_assertion(struct grant *g)
{
	const json_t *client, *jwks = NULL;
	const char *url = NULL;
	ssf_auto(ssf_key) key = NULL;
	struct ssf_err err;
	int r = parse_assertion(g, &client, &err);

	if (r == 0) {
		jwks = json_object_get(client, "jwks");
		url = json_string_value(json_object_get(client, "jwks_url"));
	}
	if (r == 0 && jwks == NULL && url == NULL)
		r = ssf_fail(&err, SSF_E_UNAUTHENTICATED, "the client has no keys");
	if (r == 0 && jwks != NULL) {
		r = jwks_find(g->endpoint->jwks, jwks, g->jws.kid, g->jws.alg, &key, &err);
		if (r == 0) {
			verify_assertion(g, key);
			return;
		}
	} else if (r == 0) {
		r = jwks_search_start(g->endpoint->jwks, url, g->jws.kid, g->jws.alg, on_key, g,
				      &g->search, &err);
	}
	if (r < 0)
		answer_unauthenticated(g, &err);
}

/* --- request ------------------------------------------------------------------------------------------------- */

static void authenticate_client(struct grant *g)
{
	int64_t wait = rate_limits_take_address(g->endpoint->limits, g->req);
	struct ssf_err err;

	if (wait > 0) {
		answer_rate_limited(g, wait);
		return;
	}
	if (token_request_parse(http_header(g->req, "Content-Type"),
				http_header(g->req, "Authorization"), http_body(g->req), &g->request,
				&err) < 0) {
		if (err.code == SSF_E_UNAUTHENTICATED)
			answer_unauthenticated(g, &err);
		else
			answer_error(g, "invalid_request", err.code == SSF_E_LIMIT ? 413 : 400, &err);
		return;
	}
	if (g->request.client_id != NULL && strlen(g->request.client_id) < sizeof(g->client))
		memcpy(g->client, g->request.client_id, strlen(g->request.client_id) + 1);
	switch (g->request.method) {
	case CLIENT_SECRET_BASIC:
	case CLIENT_SECRET_POST:
		check_secret(g);
		return;
	case CLIENT_PRIVATE_KEY_JWT:
		check_assertion(g);
		return;
	case CLIENT_AUTH_NONE:
		break;
	}
	ssf_fail(&err, SSF_E_UNAUTHENTICATED, "the client did not authenticate");
	answer_unauthenticated(g, &err);
}

/* The assertion may be marked used all the same; nobody gets a token for it. */
static void on_client_gone(void *arg)
{
	struct grant *g = arg;
	struct ssf_err err;

	ssf_fail(&err, SSF_E_UNAVAILABLE, "the client is gone");
	http_reply_error(g->req, 0, &err);
	grant_free(g);
}

void token_endpoint_serve(const struct token_endpoint *t, struct http_req *req)
{
	struct grant *g = calloc(1, sizeof(*g));

	if (g == NULL) {
		http_reply_json(req, 503, "{\"error\":\"temporarily_unavailable\"}");
		return;
	}
	g->endpoint = t;
	g->req = req;
	http_on_cancel(req, on_client_gone, g);
	authenticate_client(g);
}
