/* SPDX-License-Identifier: Apache-2.0 */
#include "hub/registry/kinds/kind.h"

static const struct kind_member members[] = {
	{ "issuer", KIND_TEXT, KIND_REQUIRED | KIND_UNIQUE, .help = "iss of its SETs.",
	  .example = "\"https://idp.example\"" },
	{ "audience", KIND_TEXT, .absent = "The hub's issuer.", .help = "aud of its SETs.",
	  .example = "\"https://hub.example\"" },
	{ "jwks", KIND_JWKS, .help = "Its public keys.",
	  .example = KIND_EXAMPLE_JWKS },
	{ "jwks_url", KIND_URL, .help = "Where its public keys are.", .example = "\"https://idp.example/jwks\"" },
	{ .name = NULL },
};

static const struct kind_rule rules[] = {
	{ KIND_EXACTLY_ONE, { "jwks", "jwks_url" } },
	{ .type = 0 },
};

const struct kind_info kind_transmitter = {
	.name = "transmitter",
	.plural = "transmitters",
	.help = "Another SSF transmitter, whose SETs the hub accepts at POST /events.",
	.example = "{\"kind\":\"transmitter\",\"id\":\"idp\",\"issuer\":\"https://idp.example\","
		   "\"audience\":\"https://hub.example\",\"jwks_url\":\"https://idp.example/jwks\"}",
	.object = { members, rules },
};
