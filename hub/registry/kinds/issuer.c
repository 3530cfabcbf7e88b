/* SPDX-License-Identifier: Apache-2.0 */
#include "hub/registry/kinds/kind.h"

static const struct kind_member members[] = {
	{ "issuer", KIND_TEXT, KIND_REQUIRED | KIND_UNIQUE, .help = "iss of its access tokens.",
	  .example = "\"https://acme.okta.example/oauth2/ssf\"" },
	{ "audience", KIND_TEXT, .absent = "The hub's issuer.", .help = "aud of its access tokens.",
	  .example = "\"https://hub.example\"" },
	{ "typ", KIND_TEXT, .absent = "at+jwt.", .help = "typ of its access tokens.", .example = "\"at+jwt\"" },
	{ "client_claim", KIND_TEXT, .absent = "client_id.", .help = "The claim that names the client.",
	  .example = "\"client_id\"" },
	{ "jwks", KIND_JWKS, .help = "Its public keys.",
	  .example = KIND_EXAMPLE_JWKS },
	{ "jwks_url", KIND_URL, .help = "Where its public keys are.",
	  .example = "\"https://acme.okta.example/oauth2/ssf/keys\"" },
	{ .name = NULL },
};

static const struct kind_rule rules[] = {
	{ KIND_EXACTLY_ONE, { "jwks", "jwks_url" } },
	{ .type = 0 },
};

const struct kind_info kind_issuer = {
	.name = "issuer",
	.plural = "issuers",
	.help = "Another authorization server, whose access tokens the hub accepts (RFC 9068, docs/reference/oauth.md).",
	.example = "{\"kind\":\"issuer\",\"id\":\"okta\",\"issuer\":\"https://acme.okta.example/oauth2/ssf\","
		   "\"jwks_url\":\"https://acme.okta.example/oauth2/ssf/keys\","
		   "\"audience\":\"https://hub.example\",\"typ\":\"at+jwt\",\"client_claim\":\"client_id\"}",
	.object = { members, rules },
};
