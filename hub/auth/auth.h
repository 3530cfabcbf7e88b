/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is calling, and what they may do. Bearer tokens in the Authorization header alone (RFC 6750
 * section 2.1; never in the query), of four kinds: the operator's, static ones of clients, access
 * tokens of ours (access_token.h), and those of other authorization servers (RFC 9068).
 * Tokens are looked up and remembered by SHA-256, so that neither time nor a dump tells what
 * they are.
 */
#pragma once

#include "hub/auth/scope.h"
#include "hub/keys/keys.h"
#include "hub/registry/registry.h"
#include "lib/http/jwks.h"
#include "lib/http/http_server.h"

#define AUTH_CLIENT_LEN 129 /* an id of a resource and its NUL */

struct auth;

struct auth_conf {
	const char *issuer;             /* ours, borrowed */
	const char *token_endpoint;     /* its URL, borrowed */
	uint8_t admin[SSF_SHA256_LEN];  /* of the operator's token */
	uint8_t metrics[SSF_SHA256_LEN]; /* of the token that may read metrics */
	int64_t token_lifetime_s;       /* of access tokens of ours */
	int64_t rate_client;            /* requests a second, 0: no limit */
	int64_t rate_address;
	bool forwarded_for;             /* a proxy of ours says who the client is */
};

/* All borrowed. */
ssf_nodiscard int auth_new(const struct auth_conf *conf, struct db *db, struct registry *registry,
			   struct keys *keys, struct jwks *jwks, struct auth **out,
			   struct ssf_err *err);
void auth_free(struct auth *a);

struct caller {
	bool admin;
	bool metrics;                 /* may read metrics, and nothing else */
	char client[AUTH_CLIENT_LEN]; /* id of its resource; "" if it is none of those */
	unsigned perms;               /* enum perm */
};

/* What a client's resource lets it do at most. */
unsigned auth_client_perms(const json_t *client);

/*
 * authorization: the header's value. 0, or -1 with SSF_E_UNAUTHENTICATED when it is missing, not a
 * bearer token, unknown, expired, revoked (one answer for all, which tells nothing), or
 * AUTH_LATER: keys have to be fetched, auth_start() goes on.
 */
#define AUTH_LATER 1
ssf_nodiscard int auth_now(struct auth *a, struct ssf_str authorization, struct caller *out,
			   struct ssf_err *err);

/* After AUTH_LATER, with the same header. Freeing documents ends it: f is called then, too. */
struct auth_wait;
typedef void auth_done_f(void *arg, const struct caller *caller, const struct ssf_err *err);
ssf_nodiscard int auth_start(struct auth *a, struct ssf_str authorization, auth_done_f *f,
			     void *arg, struct auth_wait **out, struct ssf_err *err);
void auth_cancel(struct auth_wait *w);

/* Takes one request of an address or a client: 0, or the seconds after which to come again. */
int64_t auth_rate_address(struct auth *a, const struct http_req *req);
int64_t auth_rate_client(struct auth *a, const char *client);
/*
 * For who is not counted before it has said who it is: only its wrong tokens are. 0, or the seconds that an
 * address has to wait before it is listened to, right or wrong: else a guesser would be told at any rate.
 */
int64_t auth_rate_guesses(const struct auth *a, const struct http_req *req);
void auth_guessed(struct auth *a, const struct http_req *req);
