/* SPDX-License-Identifier: Apache-2.0 */
/* Two passes: the first collects kinds and ids, so that resources may refer to each other in any order. */
#include "hub/registry/resource_batch.h"

#include "lib/ssf/json.h"

#include <stdlib.h>
#include <string.h>

static const struct ssf_json_limits limits = { 4 * 1024 * 1024, 48 };
static const struct ssf_json_path root = { NULL, NULL, 0 };

struct batch {
	const struct resource_checker *check;
	struct resource_peers peers;
	struct resource_txn *txn;
	struct ssf_diagnostic *diagnostic;
};

static int fail_nomem(struct ssf_diagnostic *d)
{
	return ssf_diagnose_at(d, &root, SSF_E_NOMEM, __FILE__, __LINE__, "resources");
}

/* What the resource is and what it is called; its other members are not looked at. */
static int identify(struct batch *b, struct resource_input *r)
{
	const char *name = json_string_value(json_object_get(r->in, "kind"));
	struct ssf_diagnostic *d = b->diagnostic;

	r->id = json_string_value(json_object_get(r->in, "id"));
	if (!json_is_object(r->in))
		return ssf_diagnose(d, r->at, "a resource must be an object");
	if (name == NULL)
		return ssf_diagnose_member(d, r->at, "kind", "kind: missing, or not a string");
	if (r->id == NULL)
		return ssf_diagnose_member(d, r->at, "id", "id: missing, or not a string");
	if (kind_find(name, true, &r->kind) < 0)
		return ssf_diagnose_member(d, r->at, "kind", "kind: there is no such kind");
	if (!kind_id_valid(r->id))
		return ssf_diagnose_member(d, r->at, "id", "id: must be 1 to %d of A-Z a-z 0-9 . _ : @ -",
					   KIND_ID_MAX);
	return 0;
}

static int collect(struct batch *b, struct resource_input *r)
{
	json_t *pending;

	if (identify(b, r) < 0)
		return -1;
	pending = b->peers.pending[r->kind];
	if (json_object_get(pending, r->id) != NULL)
		return ssf_diagnose_member(b->diagnostic, r->at, "id", "id: twice in one request");
	return json_object_set(pending, r->id, (json_t *)r->in) < 0 ? fail_nomem(b->diagnostic) : 0;
}

/* The optional "version": what must be stored now, 0 for nothing; null is the same as absent. */
static int check_version(struct batch *b, const struct resource_input *r, struct resource_condition *condition)
{
	const json_t *version = json_object_get(r->in, "version");
	int64_t stored = registry_version(b->check->registry, r->kind, r->id);
	int64_t wanted = json_integer_value(version);

	if (version == NULL || json_is_null(version))
		return 0;
	if (!json_is_integer(version) || wanted < 0)
		return ssf_diagnose_member(b->diagnostic, r->at, "version", "version: must be 0 or more");
	if (wanted != stored)
		return ssf_diagnose_at(b->diagnostic, SSF_JSON_MEMBER(r->at, "version"), SSF_E_CONFLICT, __FILE__,
				       __LINE__, "version: %s %s is at %lld", kind_name(r->kind), r->id,
				       (long long)stored);
	*condition = (struct resource_condition){ .check = RESOURCE_VERSION, .version = wanted };
	return 0;
}

static int add(struct batch *b, struct resource_input *r)
{
	struct resource_condition condition = { 0 };
	struct ssf_err err;
	json_t *spec;

	if (identify(b, r) < 0 || check_version(b, r, &condition) < 0 ||
	    resource_check(b->check, &b->peers, r, &spec, b->diagnostic) < 0)
		return -1;
	if (resource_writer_add(b->txn, r->kind, r->id, spec, condition, &err) < 0)
		return ssf_diagnose_err(b->diagnostic, r->at, &err);
	return 0;
}

/* at: where the list is in the text; single: the text is one resource, the only element of the list. */
static int add_all(struct batch *b, const json_t *list, const struct ssf_json_path *at, bool single)
{
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < json_array_size(list); i++) {
			struct resource_input r = { .in = json_array_get(list, i),
						    .at = single ? at : SSF_JSON_ELEMENT(at, i) };
			if ((pass == 0 ? collect(b, &r) : add(b, &r)) < 0)
				return -1;
		}
	}
	return 0;
}

static int add_rule_file(struct batch *b, struct ssf_str text, const char *id)
{
	json_auto_t *in = json_pack("{s:s%}", "text", text.ptr, text.len);
	struct resource_input r = { .kind = KIND_RULES, .id = id, .in = in, .at = &root };
	struct ssf_err err;
	json_t *spec;

	if (!kind_id_valid(id))
		return ssf_diagnose_at(b->diagnostic, &root, SSF_E_MALFORMED, __FILE__, __LINE__,
				       "a rule file needs ?id= with a valid id");
	if (in == NULL)
		return ssf_diagnose(b->diagnostic, &root, "not UTF-8");
	if (resource_check(b->check, NULL, &r, &spec, b->diagnostic) < 0)
		return -1;
	if (resource_writer_add(b->txn, KIND_RULES, id, spec, (struct resource_condition){ 0 }, &err) < 0)
		return ssf_diagnose_err(b->diagnostic, &root, &err);
	return 0;
}

static int add_body(struct batch *b, const json_t *body)
{
	const struct ssf_json_path inside = { &root, "resources", 0 };
	const json_t *listed = json_object_get(body, "resources");
	const json_t *list = json_is_array(body) ? body : listed;
	json_auto_t *single = NULL;

	if (list == NULL)
		list = single = json_pack("[O]", body);
	if (!json_is_array(list) || json_array_size(list) == 0 || json_array_size(list) > RESOURCE_BATCH_MAX)
		return ssf_diagnose_at(b->diagnostic, list == listed ? &inside : &root, SSF_E_MALFORMED, __FILE__,
				       __LINE__, "resources: must be an array of 1 to %d", RESOURCE_BATCH_MAX);
	return add_all(b, list, list == listed ? &inside : &root, single != NULL);
}

int resource_batch_parse(const struct resource_checker *check, struct ssf_str text, const char *rules_id,
			 struct resource_txn *txn, struct ssf_diagnostic *d)
{
	ssf_auto_free char *plain = ssf_str_dup(text);
	struct batch b = { .check = check, .txn = txn, .diagnostic = d };
	json_auto_t *body = NULL;
	struct ssf_err err;
	int r;

	*d = (struct ssf_diagnostic){ .line = 0 };
	if (plain == NULL)
		return fail_nomem(d);
	ssf_json_strip_comments(plain, text.len);
	if (ssf_json_parse((struct ssf_str){ plain, text.len }, &limits, &body, &err) < 0)
		return ssf_diagnose_err(d, &root, &err);
	if (json_object_get(body, "hrl") != NULL)
		return add_rule_file(&b, text, rules_id);
	if (resource_peers_init(&b.peers, &err) < 0)
		return ssf_diagnose_err(d, &root, &err);
	d->text = (struct ssf_str){ plain, text.len };
	r = add_body(&b, body);
	d->text = (struct ssf_str){ NULL, 0 }; /* it is freed here */
	resource_peers_done(&b.peers);
	return r;
}
