/* SPDX-License-Identifier: Apache-2.0 */
#include "hub/registry/kinds/kind.h"

#include "hub/scopes/scope.h"

/* A client secret is only hashed, so it must be one that nobody can guess. */
#define CLIENT_SECRET_MIN 24

static const char *const algs[] = { "RS256", "ES256", NULL };

static const struct kind_member members[] = {
	{ "name", KIND_TEXT, .help = "For people.", .example = "\"API gateway\"" },
	{ "audience", KIND_TEXT, KIND_REQUIRED, .help = "aud of the SETs of its streams.",
	  .example = "\"https://api.example\"" },
	{ "token", KIND_HASHED, .min = KIND_SECRET_MIN, .into = "token_sha256", .help = "A static bearer token.",
	  .example = "\"0b6a9d2f4c8e\"" },
	{ "token_sha256", KIND_SHA256, KIND_UNIQUE, .help = "The SHA-256 of the static bearer token.",
	  .example = "\"9a45520a1213f15016d2d768b5fb3d904492a44ee274b44d4de8803e00fb536a\"" },
	{ "secret", KIND_HASHED, .min = CLIENT_SECRET_MIN, .into = "secret_sha256",
	  .help = "The client secret for POST /oauth2/token.", .example = "\"0b6a9d2f4c8e0b6a9d2f4c8e\"" },
	{ "secret_sha256", KIND_SHA256, .help = "The SHA-256 of the client secret.",
	  .example = "\"9a45520a1213f15016d2d768b5fb3d904492a44ee274b44d4de8803e00fb536a\"" },
	{ "jwks", KIND_JWKS, .help = "Its public keys, for private_key_jwt.",
	  .example = KIND_EXAMPLE_JWKS },
	{ "jwks_url", KIND_URL, .help = "Where its public keys are.", .example = "\"https://api.example/jwks\"" },
	{ "issuer", KIND_REFERENCE, .target = KIND_ISSUER,
	  .help = "The authorization server whose access tokens speak for the client.", .example = "\"okta\"" },
	{ "subject", KIND_TEXT, KIND_UNIQUE, .within = "issuer", .help = "The client's name in those access tokens.",
	  .example = "\"0oa1b2c3\"" },
	{ "scopes", KIND_TEXTS, .min = 1, .values = scope_names, .absent = "ssf.read and ssf.manage.",
	  .help = "What the client may do at most.", .example = "[\"ssf.read\",\"ssf.manage\"]" },
	{ "alg", KIND_CHOICE, .values = algs, .absent = "RS256.",
	  .help = "The signature algorithm of those of its streams that have none of their own.",
	  .example = "\"RS256\"" },
	{ .name = NULL },
};

static const struct kind_rule rules[] = {
	{ KIND_AT_MOST_ONE, { "token", "token_sha256" } },
	{ KIND_AT_MOST_ONE, { "secret", "secret_sha256" } },
	{ KIND_AT_MOST_ONE, { "jwks", "jwks_url" } },
	{ KIND_TOGETHER, { "issuer", "subject" } },
	{ KIND_AT_LEAST_ONE,
	  { "token", "token_sha256", "secret", "secret_sha256", "jwks", "jwks_url", "subject" } },
	{ .type = 0 },
};

const struct kind_info kind_client = {
	.name = "client",
	.plural = "clients",
	.help = "A receiver, or a program that emits events. It authenticates with at least one of a static token, a "
		"client secret, a key, and an access token of another authorization server.",
	.example = "{\"kind\":\"client\",\"id\":\"api-gw\",\"name\":\"API gateway\",\"audience\":\"https://api.example\","
		   "\"token\":\"0b6a9d2f4c8e\",\"issuer\":\"okta\",\"subject\":\"0oa1b2c3\","
		   "\"scopes\":[\"ssf.read\",\"ssf.manage\"],\"alg\":\"RS256\"}",
	.object = { members, rules },
};
