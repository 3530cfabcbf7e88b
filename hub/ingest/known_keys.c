/* SPDX-License-Identifier: Apache-2.0 */
/* A slot keeps the spec alive, so that no other one can be at its address. */
#include "hub/ingest/known_keys.h"

#include <stdlib.h>
#include <string.h>

struct known_key {
	json_t *spec; /* NULL: free */
	char kid[KNOWN_KEYS_KID_MAX + 1];
	enum ssf_alg alg;
	struct ssf_key *key;
	int64_t until_ms;
};

struct known_keys {
	struct known_key slots[KNOWN_KEYS];
};

static void slot_clear(struct known_key *slot)
{
	json_decref(slot->spec);
	ssf_key_free(slot->key);
	*slot = (struct known_key){ .spec = NULL };
}

static const char *kid_of(const struct known_name *name)
{
	return name->kid != NULL ? name->kid : "";
}

/* FNV-1a over what names the key. */
static size_t slot_of(const struct known_name *name)
{
	uint64_t hash = 14695981039346656037u ^ (uintptr_t)name->spec;

	hash = (hash ^ name->alg) * 1099511628211u;
	for (const char *p = kid_of(name); *p != '\0'; p++)
		hash = (hash ^ (unsigned char)*p) * 1099511628211u;
	return (hash ^ (hash >> 32)) % KNOWN_KEYS;
}

struct known_keys *known_keys_new(void)
{
	return calloc(1, sizeof(struct known_keys));
}

void known_keys_free(struct known_keys *k)
{
	for (size_t i = 0; k != NULL && i < KNOWN_KEYS; i++)
		slot_clear(&k->slots[i]);
	free(k);
}

struct ssf_key *known_keys_find(const struct known_keys *k, const struct known_name *name, int64_t now_ms)
{
	const struct known_key *slot = &k->slots[slot_of(name)];

	if (slot->spec != name->spec || slot->alg != name->alg || now_ms >= slot->until_ms ||
	    strcmp(slot->kid, kid_of(name)) != 0)
		return NULL;
	return slot->key;
}

void known_keys_put(struct known_keys *k, const struct known_name *name, struct ssf_key *key, int64_t until_ms)
{
	struct known_key *slot = &k->slots[slot_of(name)];
	size_t len = strlen(kid_of(name));

	if (len > KNOWN_KEYS_KID_MAX)
		return;
	slot_clear(slot);
	slot->spec = json_incref((json_t *)name->spec);
	memcpy(slot->kid, kid_of(name), len + 1);
	slot->alg = name->alg;
	slot->key = ssf_key_ref(key);
	slot->until_ms = until_ms;
}
