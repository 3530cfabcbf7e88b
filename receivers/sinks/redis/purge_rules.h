/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of a configuration: which events purge which Redis keys
 * (docs/reference/ssf-receive.md, "Rules"). Constant once they are read.
 */
#pragma once

#include <jansson.h>

#include "lib/ssf/diagnostic.h"
#include "receivers/sinks/redis/key_template.h"

#define PURGE_RULES_MAX 64
#define PURGE_RULES_TEMPLATES_MAX 128 /* of all rules together: bounds the work of one event */

struct purge_templates {
	struct key_template **list;
	size_t count;
};

/* A watermark. */
struct purge_mark_rule {
	struct key_template *key;
	struct key_template *value;
	int64_t ttl_s;
};

struct purge_rule {
	const json_t *events;  /* array of URIs, or NULL: all; borrowed from the document */
	const json_t *subject; /* members that must be equal, or NULL: any; borrowed */
	struct purge_templates keys;
	struct purge_templates index_sets;
	struct purge_templates patterns;
	struct purge_mark_rule *marks;
	size_t mark_count;
};

struct purge_rules {
	struct purge_rule *list;
	size_t count;
	size_t template_count;
};

/* value: the member "purge", or NULL, which is an error. Call purge_rules_done() in any case. */
ssf_nodiscard int purge_rules_parse(const json_t *value, const struct ssf_json_path *at,
				    struct ssf_diagnostic *diag, struct purge_rules *out);
void purge_rules_done(struct purge_rules *rules); /* no-op on zeroed memory */
