/* SPDX-License-Identifier: Apache-2.0 */
#include "hub/registry/kinds/kind.h"

static const struct kind_member members[] = {
	{ "name", KIND_TEXT, .help = "The person's name.", .example = "\"Ada Lovelace\"" },
	{ "email", KIND_TEXT, .help = "The person's address, the subject of events about the person.",
	  .example = "\"ada@acme.example\"" },
	{ .name = NULL },
};

const struct kind_info kind_person = {
	.name = "person",
	.plural = "persons",
	.help = "Somebody who owns agents.",
	.example = "{\"kind\":\"person\",\"id\":\"ada\",\"name\":\"Ada Lovelace\",\"email\":\"ada@acme.example\"}",
	.object = { members, NULL },
};
