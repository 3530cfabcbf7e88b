/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Works on a deep copy of what was sent. What leaves here for the database holds no secret in the clear, and messages
 * name members, never values.
 */
#include "hub/registry/resource_check.h"

#include "lib/ssf/json.h"
#include "lib/ssf/jwk.h"

#include <openssl/crypto.h>

#include <stdio.h>
#include <string.h>

#define LABEL_LEN 128
#define LOOPBACK "http://127.0.0.1"

/* One resource on its way through the checks. */
struct checking {
	const struct resource_checker *deps;
	const struct resource_peers *peers; /* or NULL */
	enum kind kind;
	const char *id;
	struct ssf_diagnostic *diagnostic;
};

/* An object of the resource: the resource itself, or a nested one. */
struct holder {
	json_t *value;
	const json_t *old; /* what is stored there now, or NULL */
	const struct ssf_json_path *at;
	const char *prefix; /* of the names of its members in messages: "" or "api." */
};

/* A member of an object: where it is, and what messages call it. */
struct place {
	const struct kind_member *member;
	json_t *value; /* NULL: absent */
	struct ssf_json_path at;
	char label[LABEL_LEN];
};

#define fail_member(c, p, ...) fail_member_at((c), (p), SSF_E_MALFORMED, __FILE__, __LINE__, __VA_ARGS__)

__attribute__((format(printf, 6, 7)))
static int fail_member_at(const struct checking *c, const struct place *p, enum ssf_code code, const char *file,
			  int line, const char *fmt, ...)
{
	char text[256];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	return ssf_diagnose_at(c->diagnostic, &p->at, code, file, line, "%s: %s", p->label, text);
}

static int fail_nomem(const struct checking *c, const struct place *p)
{
	return fail_member_at(c, p, SSF_E_NOMEM, __FILE__, __LINE__, "out of memory");
}

/* --- members by type ---------------------------------------------------------------------------------------- */

static bool is_listed(const char *text, const char *const *values)
{
	for (; *values != NULL; values++) {
		if (strcmp(text, *values) == 0)
			return true;
	}
	return false;
}

static int check_string(const struct checking *c, const struct place *p)
{
	const char *text = json_string_value(p->value);

	if (text == NULL)
		return fail_member(c, p, "must be a string");
	if (p->member->type == KIND_TEXT && (text[0] == '\0' || strlen(text) > KIND_TEXT_MAX))
		return fail_member(c, p, "must be 1 to %d bytes", KIND_TEXT_MAX);
	return 0;
}

static int check_choice(const struct checking *c, const struct place *p)
{
	const struct kind_member *m = p->member;
	const char *text = json_string_value(p->value);

	if (text == NULL)
		return fail_member(c, p, "must be a string");
	if (m->variants != NULL ? kind_variant(m, p->value) == NULL : !is_listed(text, m->values))
		return fail_member(c, p, "not one of the allowed values (docs/reference/resources.md)");
	return 0;
}

static int check_texts(const struct checking *c, const struct place *p)
{
	size_t max = p->member->max > 0 ? (size_t)p->member->max : KIND_LIST_MAX, n = json_array_size(p->value);
	const json_t *item;
	size_t i;

	if (!json_is_array(p->value))
		return fail_member(c, p, "must be an array");
	if (n < (size_t)p->member->min)
		return fail_member(c, p, "must not be empty");
	if (n > max)
		return fail_member(c, p, "more than %zu", max);
	json_array_foreach(p->value, i, item) {
		if (!json_is_string(item))
			return fail_member(c, p, "must be an array of strings");
		if (p->member->values != NULL && !is_listed(json_string_value(item), p->member->values))
			return fail_member(c, p, "has one that is not allowed (docs/reference/resources.md)");
	}
	return 0;
}

static int check_integer(const struct checking *c, const struct place *p)
{
	json_int_t value = json_integer_value(p->value);

	if (!json_is_integer(p->value) || value < p->member->min || value > p->member->max)
		return fail_member(c, p, "must be an integer from %lld to %lld", (long long)p->member->min,
				   (long long)p->member->max);
	return 0;
}

static const json_t *find_resource(const struct checking *c, enum kind kind, const char *id)
{
	const json_t *pending = c->peers != NULL ? json_object_get(c->peers->pending[kind], id) : NULL;

	return pending != NULL ? pending : registry_get(c->deps->registry, kind, id);
}

static int check_reference(const struct checking *c, const struct place *p)
{
	const char *id = json_string_value(p->value);

	if (id == NULL)
		return fail_member(c, p, "must be a string");
	if (find_resource(c, p->member->target, id) == NULL)
		return fail_member(c, p, "there is no such %s", kind_name(p->member->target));
	return 0;
}

static int check_url(const struct checking *c, const struct place *p)
{
	const char *url = json_string_value(p->value);
	bool loopback = url != NULL && strncmp(url, LOOPBACK, strlen(LOOPBACK)) == 0 &&
			strchr(":/", url[strlen(LOOPBACK)]) != NULL; /* its NUL, too */

	if (url == NULL || strlen(url) > KIND_TEXT_MAX || strchr(url, '@') != NULL ||
	    (strncmp(url, "https://", 8) != 0 && !loopback))
		return fail_member(c, p, "must be an https URL");
	return 0;
}

static int check_push_url(const struct checking *c, const struct place *p)
{
	const char *url = json_string_value(p->value);
	struct ssf_err err;

	if (url == NULL)
		return fail_member(c, p, "must be a string");
	if (egress_policy_check_url(c->deps->policy, ssf_str_c(url), &err) < 0)
		return fail_member_at(c, p, err.code, err.file, err.line, "%s", err.msg);
	return 0;
}

/* Secret members of a JWK: pasted by mistake they would be stored in the clear, and shown. */
static bool has_private_key(const json_t *jwks)
{
	static const char *const members[] = { "d", "p", "q", "dp", "dq", "qi", "k", "oth" };
	const json_t *key;
	size_t i;

	json_array_foreach(json_object_get(jwks, "keys"), i, key) {
		for (size_t m = 0; m < SSF_ARRAY_SIZE(members); m++) {
			if (json_object_get(key, members[m]) != NULL)
				return true;
		}
	}
	return false;
}

static int check_jwks(const struct checking *c, const struct place *p)
{
	ssf_auto(ssf_jwks) jwks = NULL;
	struct ssf_err err;

	if (has_private_key(p->value))
		return fail_member(c, p, "has a secret or private key in it");
	if (ssf_jwks_parse(p->value, &jwks, &err) < 0)
		return fail_member_at(c, p, err.code, err.file, err.line, "%s", err.msg);
	if (ssf_jwks_count(jwks) == 0)
		return fail_member(c, p, "no key in it can verify anything");
	return 0;
}

static int set_hex(const struct checking *c, const struct holder *h, const struct place *p, const char *name,
		   const uint8_t digest[SSF_SHA256_LEN])
{
	char hex[SSF_SHA256_HEX];

	ssf_hex(digest, SSF_SHA256_LEN, hex);
	return json_object_set_new(h->value, name, json_string(hex)) < 0 ? fail_nomem(c, p) : 0;
}

/* Stores the digest in lower case. */
static int check_sha256(const struct checking *c, const struct holder *h, const struct place *p)
{
	const char *text = json_string_value(p->value);
	uint8_t digest[SSF_SHA256_LEN];

	if (text == NULL || ssf_unhex(ssf_str_c(text), digest, sizeof(digest)) < 0)
		return fail_member(c, p, "must be 64 hex digits");
	return set_hex(c, h, p, p->member->name, digest);
}

static int check_secret_length(const struct checking *c, const struct place *p)
{
	int64_t min = p->member->min > 0 ? p->member->min : KIND_SECRET_MIN;
	const char *text = json_string_value(p->value);

	if (text == NULL || (int64_t)strlen(text) < min || strlen(text) > KIND_SECRET_MAX)
		return fail_member(c, p, "must be a string of %lld to %d bytes", (long long)min, KIND_SECRET_MAX);
	for (; (p->member->flags & KIND_IN_HEADER) != 0 && *text != '\0'; text++) {
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return fail_member(c, p, "has a control character");
	}
	return 0;
}

/* The copy is this function's alone: it is wiped where it lies. */
static void wipe(const char *text)
{
	OPENSSL_cleanse((char *)text, strlen(text));
}

static int hash_secret(const struct checking *c, const struct holder *h, const struct place *p)
{
	uint8_t digest[SSF_SHA256_LEN];

	if (check_secret_length(c, p) < 0)
		return -1;
	/* both given: the rule of the kind refuses it, before anything is overwritten */
	if (json_object_get(h->value, p->member->into) != NULL)
		return fail_member(c, p, "give either %s or %s", p->member->name, p->member->into);
	ssf_sha256(ssf_str_c(json_string_value(p->value)), digest);
	wipe(json_string_value(p->value));
	if (set_hex(c, h, p, p->member->into, digest) < 0)
		return -1;
	json_object_del(h->value, p->member->name);
	return 0;
}

/* The label ("api.token") is part of what the seal is bound to. */
static int seal_secret(const struct checking *c, const struct holder *h, const struct place *p)
{
	json_t *old = json_object_get(h->old, p->member->name);
	const char *text = json_string_value(p->value);
	char context[KIND_ID_MAX + LABEL_LEN + 32];
	ssf_auto_buf sealed = SSF_BUF(16 * 1024);
	struct ssf_err err;

	if (text != NULL && strcmp(text, KIND_SEALED) == 0) {
		if (old == NULL)
			return fail_member(c, p, "nothing is sealed there yet");
		return json_object_set(h->value, p->member->name, old) < 0 ? fail_nomem(c, p) : 0;
	}
	if (check_secret_length(c, p) < 0)
		return -1;
	snprintf(context, sizeof(context), "%s/%s/%s", kind_name(c->kind), c->id, p->label);
	if (seal(c->deps->master, context, ssf_str_c(text), &sealed, &err) < 0)
		return fail_member_at(c, p, err.code, err.file, err.line, "%s", err.msg);
	wipe(text);
	return json_object_set_new(h->value, p->member->name, json_pack("{s:s}", "sealed", sealed.ptr)) < 0 ?
		       fail_nomem(c, p) :
		       0;
}

/* --- objects ------------------------------------------------------------------------------------------------- */

static int check_object(const struct checking *c, const struct kind_object *o, const struct holder *h);

static int check_nested(const struct checking *c, const struct holder *h, const struct place *p)
{
	char prefix[LABEL_LEN];
	struct holder nested = { p->value, json_object_get(h->old, p->member->name), &p->at, prefix };

	if (!json_is_object(p->value))
		return fail_member(c, p, "must be an object");
	snprintf(prefix, sizeof(prefix), "%.*s.", LABEL_LEN - 2, p->label);
	return check_object(c, p->member->object, &nested);
}

static int check_value(const struct checking *c, const struct holder *h, const struct place *p)
{
	switch (p->member->type) {
	case KIND_TEXT:
	case KIND_STRING:
		return check_string(c, p);
	case KIND_CHOICE:
		return check_choice(c, p);
	case KIND_BOOL:
		return json_is_boolean(p->value) ? 0 : fail_member(c, p, "must be true or false");
	case KIND_INTEGER:
		return check_integer(c, p);
	case KIND_TEXTS:
		return check_texts(c, p);
	case KIND_MAP:
		return json_is_object(p->value) ? 0 : fail_member(c, p, "must be an object");
	case KIND_OBJECT:
		return check_nested(c, h, p);
	case KIND_REFERENCE:
		return check_reference(c, p);
	case KIND_URL:
		return check_url(c, p);
	case KIND_PUSH_URL:
		return check_push_url(c, p);
	case KIND_JWKS:
		return check_jwks(c, p);
	case KIND_SHA256:
		return check_sha256(c, h, p);
	case KIND_HASHED:
		return hash_secret(c, h, p);
	case KIND_SEALED_SECRET:
		return seal_secret(c, h, p);
	case KIND_MADE:
		break;
	}
	return 0;
}

static struct place place_of(const struct holder *h, const struct kind_member *m)
{
	struct place p = { .member = m, .value = json_object_get(h->value, m->name),
			   .at = { h->at, m->name, 0 } };

	snprintf(p.label, sizeof(p.label), "%s%s", h->prefix, m->name);
	return p;
}

static int check_member(const struct checking *c, const struct holder *h, const struct kind_member *m)
{
	struct place p = place_of(h, m);
	const json_t *old = json_object_get(h->old, m->name);

	if (p.value == NULL && (m->flags & KIND_REQUIRED) != 0)
		return fail_member(c, &p, "missing");
	if ((m->flags & KIND_IMMUTABLE) != 0 && h->old != NULL && !json_equal(p.value, (json_t *)old))
		return fail_member(c, &p, "cannot be changed");
	return p.value != NULL ? check_value(c, h, &p) : 0;
}

/* "a, b or c" */
static const char *join(const struct kind_rule *rule, const char *last, char out[256])
{
	size_t n = 0, len = 0;

	while (n < SSF_ARRAY_SIZE(rule->names) && rule->names[n] != NULL)
		n++;
	for (size_t i = 0; i < n && len < 256; i++)
		len += (size_t)snprintf(out + len, 256 - len, "%s%s", rule->names[i],
					i + 2 < n ? ", " : i + 1 < n ? last : "");
	return out;
}

/* Before secrets are hashed: what was given is in value as it was sent. */
static int check_rule(const struct checking *c, const struct holder *h, const struct kind_rule *rule)
{
	size_t given = 0, n = 0;
	char names[256];

	for (; n < SSF_ARRAY_SIZE(rule->names) && rule->names[n] != NULL; n++)
		given += json_object_get(h->value, rule->names[n]) != NULL;
	if (rule->type == KIND_EXACTLY_ONE && given != 1)
		return ssf_diagnose(c->diagnostic, h->at, "%sgive either %s", h->prefix, join(rule, " or ", names));
	if (rule->type == KIND_AT_MOST_ONE && given > 1)
		return ssf_diagnose(c->diagnostic, h->at, "%sgive either %s", h->prefix, join(rule, " or ", names));
	if (rule->type == KIND_AT_LEAST_ONE && given == 0)
		return ssf_diagnose(c->diagnostic, h->at, "%sgive at least one of %s", h->prefix,
				    join(rule, " and ", names));
	if (rule->type == KIND_TOGETHER && given != 0 && given != n)
		return ssf_diagnose(c->diagnostic, h->at, "%sgive %s together", h->prefix,
				    join(rule, " and ", names));
	return 0;
}

static int check_rules(const struct checking *c, const struct holder *h, const struct kind_rule *rules)
{
	for (; rules != NULL && rules->type != 0; rules++) {
		if (check_rule(c, h, rules) < 0)
			return -1;
	}
	return 0;
}

/* A null is the same as an absent member; what is made by the hub is not taken from anybody. */
static int check_names(const struct checking *c, const struct holder *h, const struct kind_member *const *members,
		       size_t n)
{
	const char *key;
	json_t *value;
	void *next;

	json_object_foreach_safe(h->value, next, key, value) {
		size_t i = 0;
		while (i < n && strcmp(members[i]->name, key) != 0)
			i++;
		if (i == n)
			return ssf_diagnose(c->diagnostic, SSF_JSON_MEMBER(h->at, key), "%s%.64s: unknown member",
					    h->prefix, key);
		if (json_is_null(value) || members[i]->type == KIND_MADE)
			json_object_del(h->value, key);
	}
	return 0;
}

static int check_object(const struct checking *c, const struct kind_object *o, const struct holder *h)
{
	const struct kind_member *members[KIND_MEMBERS_MAX];
	size_t n = kind_members(o, h->value, members);

	/* choices first: they decide which other members there are */
	for (const struct kind_member *m = o->members; m->name != NULL; m++) {
		if (m->variants != NULL && check_member(c, h, m) < 0)
			return -1;
	}
	if (check_names(c, h, members, n) < 0 || check_rules(c, h, o->rules) < 0)
		return -1;
	for (const struct kind_member *m = o->members; m->name != NULL; m++) {
		const struct kind_variant *v = NULL;
		if (m->variants != NULL)
			v = kind_variant(m, json_object_get(h->value, m->name));
		if (v != NULL && v->object != NULL && check_rules(c, h, v->object->rules) < 0)
			return -1;
	}
	for (size_t i = 0; i < n; i++) {
		if (members[i]->variants == NULL && check_member(c, h, members[i]) < 0)
			return -1;
	}
	return 0;
}

/* --- unique values ---------------------------------------------------------------------------------------------- */

/* Nobody else has the value: neither a stored resource nor one before this one in the request. */
static int claim(const struct checking *c, const struct place *p, const char *within, const char *value)
{
	const char *owner = registry_find_within(c->deps->registry, c->kind, p->member->name, within, value);
	json_t *claimed = c->peers != NULL ? c->peers->claimed[c->kind] : NULL;
	char key[3 * KIND_TEXT_MAX];
	const char *claimant;

	snprintf(key, sizeof(key), "%s/%s/%s", p->member->name, within != NULL ? within : "", value);
	claimant = json_string_value(json_object_get(claimed, key));
	if ((owner != NULL && strcmp(owner, c->id) != 0) || (claimant != NULL && strcmp(claimant, c->id) != 0))
		return fail_member_at(c, p, SSF_E_CONFLICT, __FILE__, __LINE__, "another %s has it",
				      kind_name(c->kind));
	if (claimed != NULL && json_object_set_new(claimed, key, json_string(c->id)) < 0)
		return fail_nomem(c, p);
	return 0;
}

static int check_unique(const struct checking *c, const struct holder *h, const struct kind_member *m)
{
	struct place p = place_of(h, m);
	const char *within = m->within != NULL ? json_string_value(json_object_get(h->value, m->within)) : NULL;
	const json_t *item;
	size_t i;

	if (json_is_string(p.value))
		return claim(c, &p, within, json_string_value(p.value));
	json_array_foreach(p.value, i, item) {
		if (claim(c, &p, within, json_string_value(item)) < 0)
			return -1;
	}
	return 0;
}

/* --- the resource ------------------------------------------------------------------------------------------------- */

struct kind_checking {
	struct kind_check view; /* what the kind's own check gets */
	const struct checking *checking;
};

static const json_t *find_for_kind(const struct kind_check *view, enum kind kind, const char *id)
{
	return find_resource(((const struct kind_checking *)view)->checking, kind, id);
}

int resource_check(const struct resource_checker *deps, const struct resource_peers *peers,
		   const struct resource_input *input, json_t **spec, struct ssf_diagnostic *d)
{
	const struct kind_info *kind = kind_of(input->kind);
	const struct checking c = { deps, peers, input->kind, input->id, d };
	json_auto_t *copy = json_deep_copy(input->in);
	const struct holder h = { copy, registry_get(deps->registry, input->kind, input->id), input->at, "" };
	const struct kind_checking own = {
		{ input->id, copy, h.old, deps->policy, find_for_kind, input->at, d }, &c
	};

	if (copy == NULL)
		return ssf_diagnose_at(d, input->at, SSF_E_NOMEM, __FILE__, __LINE__, "resource");
	json_object_del(copy, "kind");
	json_object_del(copy, "id");
	json_object_del(copy, "version");
	if (check_object(&c, &kind->object, &h) < 0 ||
	    (kind->check != NULL && kind->check(&own.view) < 0))
		return -1;
	for (const struct kind_member *m = kind->object.members; m->name != NULL; m++) {
		if ((m->flags & KIND_UNIQUE) != 0 && check_unique(&c, &h, m) < 0)
			return -1;
	}
	*spec = SSF_STEAL(copy);
	return 0;
}

int resource_peers_init(struct resource_peers *p, struct ssf_err *err)
{
	for (size_t i = 0; i < KIND_COUNT; i++) {
		p->pending[i] = json_object();
		p->claimed[i] = json_object();
		if (p->pending[i] == NULL || p->claimed[i] == NULL) {
			resource_peers_done(p);
			return ssf_fail(err, SSF_E_NOMEM, "resources");
		}
	}
	return 0;
}

void resource_peers_done(struct resource_peers *p)
{
	for (size_t i = 0; i < KIND_COUNT; i++) {
		json_decref(p->pending[i]);
		json_decref(p->claimed[i]);
		p->pending[i] = p->claimed[i] = NULL;
	}
}

/* --- showing, deleting, addresses ---------------------------------------------------------------------------- */

/* Whatever is sealed is hidden, also in resources of a source type that this version does not know. */
static int hide_sealed(json_t *value)
{
	const char *key;
	json_t *member;
	void *next;

	json_object_foreach_safe(value, next, key, member) {
		if (json_object_get(member, "sealed") != NULL) {
			if (json_object_set_new(value, key, json_string(KIND_SEALED)) < 0)
				return -1;
		} else if (hide_sealed(member) < 0) {
			return -1;
		}
	}
	return 0;
}

json_t *resource_show(enum kind kind, const char *id, const json_t *spec)
{
	json_auto_t *shown = json_pack("{s:s, s:s}", "kind", kind_name(kind), "id", id);
	json_auto_t *copy = json_deep_copy(spec);

	if (shown == NULL || copy == NULL || hide_sealed(copy) < 0 || json_object_update(shown, copy) < 0)
		return NULL;
	return SSF_STEAL(shown);
}

/* The id of a resource of kind `from` that refers to id by member m, or NULL. */
static const char *referrer(const struct registry *r, enum kind from, const struct kind_member *m, const char *id)
{
	const char *other;
	json_t *spec;

	json_object_foreach((json_t *)registry_all(r, from), other, spec) {
		const char *value = json_string_value(json_object_get(spec, m->name));
		if (value != NULL && strcmp(value, id) == 0)
			return other;
	}
	return NULL;
}

int resource_check_delete(const struct registry *r, enum kind kind, const char *id, struct ssf_err *err)
{
	for (size_t k = 0; k < KIND_COUNT; k++) {
		for (const struct kind_member *m = kind_of((enum kind)k)->object.members; m->name != NULL; m++) {
			const char *other = NULL;
			if (m->type == KIND_REFERENCE && m->target == kind)
				other = referrer(r, (enum kind)k, m, id);
			if (other != NULL)
				return ssf_fail(err, SSF_E_CONFLICT, "%s %s still refers to it",
						kind_name((enum kind)k), other);
		}
	}
	return 0;
}

static int new_urls(const struct kind_object *o, const json_t *value, const json_t *old, resource_url_f *f,
		    void *arg, struct ssf_err *err)
{
	const struct kind_member *members[KIND_MEMBERS_MAX];
	size_t n = kind_members(o, value, members);

	for (size_t i = 0; i < n; i++) {
		const json_t *now = json_object_get(value, members[i]->name);
		const json_t *before = json_object_get(old, members[i]->name);
		if (members[i]->type == KIND_OBJECT && now != NULL &&
		    new_urls(members[i]->object, now, before, f, arg, err) < 0)
			return -1;
		if (members[i]->type == KIND_PUSH_URL && json_is_string(now) &&
		    !json_equal((json_t *)now, (json_t *)before) && f(arg, json_string_value(now), err) < 0)
			return -1;
	}
	return 0;
}

int resource_new_urls(enum kind kind, const json_t *spec, const json_t *old, resource_url_f *f, void *arg,
		      struct ssf_err *err)
{
	return new_urls(&kind_of(kind)->object, spec, old, f, arg, err);
}
