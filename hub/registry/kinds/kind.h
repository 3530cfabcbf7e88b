/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a kind of resource is, as data: its members with type, limits, references, secrets, and one example. From
 * this description come the checks when a resource is written (resource_check.h), what is sealed and shown, the
 * indexes (resource_set.h), the OpenAPI schemas (kind_schema.h), docs/reference/resources.md (kind_page.h) and the
 * help of the command line. Each kind is one file in this folder and one line in kinds.def.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/http/egress_policy.h"
#include "lib/ssf/diagnostic.h"

enum kind {
#define KIND(constant, name) KIND_##constant,
#include "hub/registry/kinds/kinds.def"
#undef KIND
	KIND_COUNT
};

#define KIND_ID_MAX 128          /* bytes of an id, without the NUL */
#define KIND_SEALED "(sealed)"   /* shown instead of a sealed secret; written back it means: keep it */
#define KIND_TEXT_MAX 1024       /* bytes of a KIND_TEXT */
#define KIND_LIST_MAX 256        /* elements of a KIND_TEXTS */
#define KIND_SECRET_MIN 8        /* bytes of a secret */
#define KIND_SECRET_MAX 4096
#define KIND_EXAMPLE_JWKS                                                                             \
	"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"1\",\"alg\":\"ES256\","                           \
	"\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","                                     \
	"\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}" /* RFC 7515 appendix A.3 */
#define KIND_MEMBERS_MAX 32      /* of one object, those of a variant included */

enum kind_type {
	KIND_TEXT,       /* string of 1 to KIND_TEXT_MAX bytes */
	KIND_STRING,     /* any string */
	KIND_CHOICE,     /* one of values, or of variants */
	KIND_BOOL,
	KIND_INTEGER,    /* min to max */
	KIND_TEXTS,      /* array of min to max strings, each one of values if there are any */
	KIND_MAP,        /* object with any members */
	KIND_OBJECT,     /* object with the members of object */
	KIND_REFERENCE,  /* id of an existing resource of kind target */
	KIND_URL,        /* an address that the operator chose: https, or http to a loopback address */
	KIND_PUSH_URL,   /* an address that receivers choose too: the egress policy decides, also on what it resolves to */
	KIND_JWKS,       /* public keys (RFC 7517) */
	KIND_SHA256,     /* 64 hex digits, stored in lower case */
	KIND_HASHED,     /* secret of min to KIND_SECRET_MAX bytes; stored is only its SHA-256, as member `into` */
	KIND_SEALED_SECRET, /* secret; stored sealed under the master key, shown as KIND_SEALED */
	KIND_MADE,       /* made by the hub; ignored in what is written */
};

enum {
	KIND_REQUIRED = 1,
	KIND_IMMUTABLE = 2, /* cannot be changed once the resource exists */
	KIND_UNIQUE = 4,    /* no two resources of the kind have the same value (of KIND_TEXTS: the same element) */
	KIND_IN_HEADER = 8, /* is sent in an HTTP header: no control characters */
};

struct kind_object;
struct kind_variant;

struct kind_member {
	const char *name;    /* NULL ends a list */
	enum kind_type type;
	unsigned flags;
	int64_t min, max;    /* 0: as the type says */
	const char *const *values;         /* ends with NULL */
	const struct kind_variant *(*variants)(void); /* of KIND_CHOICE: further members by its value */
	const struct kind_object *object;
	enum kind target;
	const char *into;
	const char *within;  /* of KIND_UNIQUE: unique only among those with the same value of this member */
	const char *absent;  /* what holds when it is absent, as a sentence; NULL: nothing */
	const char *help;    /* one sentence */
	const char *example; /* as JSON */
};

/* The chosen value adds members to the object that the choice is in. */
struct kind_variant {
	const char *value;   /* NULL ends a list */
	const char *help;
	const struct kind_object *object;
};

/* What the members of an object must hold together. */
struct kind_rule {
	enum {
		KIND_EXACTLY_ONE = 1,
		KIND_AT_MOST_ONE,
		KIND_AT_LEAST_ONE,
		KIND_TOGETHER, /* all or none */
	} type; /* 0 ends a list */
	const char *names[8]; /* ends with NULL */
};

struct kind_object {
	const struct kind_member *members;
	const struct kind_rule *rules; /* or NULL */
};

/* What a check of a kind works on. */
struct kind_check {
	const char *id;
	json_t *spec;          /* checked member by member, secrets already hashed or sealed; may be changed */
	const json_t *old;     /* what is stored now, or NULL */
	const struct egress_policy *policy;
	/* The resource that a reference names, stored or in the same request; never NULL for a checked reference. */
	const json_t *(*find)(const struct kind_check *c, enum kind kind, const char *id);
	const struct ssf_json_path *at; /* where the resource is in the text */
	struct ssf_diagnostic *diagnostic;
};

struct kind_info {
	const char *name;
	const char *plural;
	const char *help;      /* one or two sentences */
	const char *example;   /* a resource as JSON; it refers to the examples of other kinds */
	struct kind_object object;
	/* What the description cannot say; ssf_diagnose() names the place. May be NULL. */
	int (*check)(const struct kind_check *c);
};

#define KIND(constant, name) extern const struct kind_info kind_##name;
#include "hub/registry/kinds/kinds.def"
#undef KIND

/* The description of a kind. kind_of(0) to kind_of(KIND_COUNT - 1) are all of them. */
const struct kind_info *kind_of(enum kind kind);
const char *kind_name(enum kind kind);
/* By name or plural: -1 if there is none. Routes and stored resources take the name only: exact. */
int kind_find(const char *name, bool exact, enum kind *out);

/* The id of a resource: 1 to KIND_ID_MAX of A-Z a-z 0-9 . _ : @ - */
bool kind_id_valid(const char *id);

/*
 * The members that an object may have: its own, then those of the variants that its choices select in value. value
 * NULL, or a choice that is absent or wrong: own members only. Writes at most KIND_MEMBERS_MAX, and their number.
 */
size_t kind_members(const struct kind_object *o, const json_t *value,
		    const struct kind_member *out[KIND_MEMBERS_MAX]);
/* The variant that value selects, or NULL; member has variants. */
const struct kind_variant *kind_variant(const struct kind_member *member, const json_t *value);
