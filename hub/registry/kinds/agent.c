/* SPDX-License-Identifier: Apache-2.0 */
#include "hub/registry/kinds/kind.h"

static const char *const environments[] = { "prod", "nonprod", "dev", NULL };

static const struct kind_member members[] = {
	{ "owner", KIND_REFERENCE, KIND_REQUIRED, .target = KIND_PERSON, .help = "The person who answers for the agent.",
	  .example = "\"ada\"" },
	{ "purpose", KIND_TEXT, KIND_REQUIRED, .help = "What the agent does.", .example = "\"sorts issues\"" },
	{ "environment", KIND_CHOICE, KIND_REQUIRED, .values = environments, .help = "Where the agent runs.",
	  .example = "\"prod\"" },
	{ "tools", KIND_TEXTS, .help = "The tools that the agent uses.", .example = "[\"jira\"]" },
	{ "repositories", KIND_TEXTS, KIND_UNIQUE,
	  .help = "Repositories whose leaks are blamed on the agent when the leaked secret is not known.",
	  .example = "[\"acme/app\"]" },
	{ "labels", KIND_MAP, .help = "Anything that rules look at.", .example = "{\"team\":\"core\"}" },
	{ .name = NULL },
};

const struct kind_info kind_agent = {
	.name = "agent",
	.plural = "agents",
	.help = "A non-human identity.",
	.example = "{\"kind\":\"agent\",\"id\":\"agent:triage-bot\",\"owner\":\"ada\",\"purpose\":\"sorts issues\","
		   "\"environment\":\"prod\",\"tools\":[\"jira\"],\"repositories\":[\"acme/app\"],"
		   "\"labels\":{\"team\":\"core\"}}",
	.object = { members, NULL },
};
