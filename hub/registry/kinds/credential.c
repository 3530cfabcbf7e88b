/* SPDX-License-Identifier: Apache-2.0 */
#include "hub/registry/kinds/kind.h"

static const struct kind_member members[] = {
	{ "agent", KIND_REFERENCE, KIND_REQUIRED, .target = KIND_AGENT, .help = "The agent that authenticates with it.",
	  .example = "\"agent:triage-bot\"" },
	{ "type", KIND_TEXT, KIND_REQUIRED, .help = "What sort of credential it is.", .example = "\"api-token\"" },
	{ "secret", KIND_HASHED, .min = KIND_SECRET_MIN, .into = "fingerprint",
	  .help = "The credential itself: hashed at once, then forgotten.", .example = "\"ghp_0123456789\"" },
	{ "fingerprint", KIND_SHA256, KIND_UNIQUE, .help = "The SHA-256 of the credential.",
	  .example = "\"9a45520a1213f15016d2d768b5fb3d904492a44ee274b44d4de8803e00fb536a\"" },
	{ .name = NULL },
};

static const struct kind_rule rules[] = {
	{ KIND_EXACTLY_ONE, { "secret", "fingerprint" } },
	{ .type = 0 },
};

const struct kind_info kind_credential = {
	.name = "credential",
	.plural = "credentials",
	.help = "What an agent authenticates with. The hub knows only its SHA-256.",
	.example = "{\"kind\":\"credential\",\"id\":\"triage-bot-token\",\"agent\":\"agent:triage-bot\","
		   "\"type\":\"api-token\","
		   "\"fingerprint\":\"9a45520a1213f15016d2d768b5fb3d904492a44ee274b44d4de8803e00fb536a\"}",
	.object = { members, rules },
};
