/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys of transmitters that were found before, parsed: parsing one takes longer than verifying with it.
 * Direct-mapped and bounded: what is found is right, what is not has to be looked for.
 */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "lib/ssf/jwk.h"

#define KNOWN_KEYS 1024
#define KNOWN_KEYS_KID_MAX 128 /* bytes; keys with longer names are not kept */

struct known_keys;

struct known_keys *known_keys_new(void); /* NULL: out of memory */
void known_keys_free(struct known_keys *k);

/* spec: of the transmitter, as the registry has it now: another one is another transmitter. kid may be NULL. */
struct known_name {
	const json_t *spec;
	const char *kid;
	enum ssf_alg alg;
};
/* Borrowed until the next call; NULL: not known. now_ms: of the same clock as until_ms. */
struct ssf_key *known_keys_find(const struct known_keys *k, const struct known_name *name, int64_t now_ms);
void known_keys_put(struct known_keys *k, const struct known_name *name, struct ssf_key *key, int64_t until_ms);
