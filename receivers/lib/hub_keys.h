/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hub's public keys, fetched over https from jwks_url or from the place that the hub's
 * metadata names (SSF 1.0 section 7; its issuer must equal the configured one), and kept in
 * memory.
 *
 * They are fetched again when they are an hour old, so that a withdrawn key goes, and when a
 * token names an unknown key, so that a new key comes. The latter happens at most every ten
 * seconds, so that made-up key ids cannot load the hub. While the hub does not answer, the known
 * keys stay in use.
 */
#pragma once

#include "lib/http/http_client.h"
#include "lib/ssf/err.h"
#include "lib/ssf/jwk.h"

struct hub_keys;
struct hub_keys_wait;

struct hub_keys_conf {
	const char *issuer;
	const char *jwks_url; /* NULL: discovered */
};

/* The strings and http are borrowed for life. Starts the first fetch. */
ssf_nodiscard int hub_keys_new(struct http_client *http, const struct hub_keys_conf *conf,
			   struct hub_keys **out, struct ssf_err *err);
/* Every wait must have ended or been cancelled. NULL is fine. */
void hub_keys_free(struct hub_keys *k);

/* Borrowed until the loop turns; NULL if not known. */
struct ssf_key *hub_keys_find(struct hub_keys *k, struct ssf_str kid, enum ssf_alg alg);

/* err NULL: fetched, look again. */
typedef void hub_keys_done_f(void *arg, const struct ssf_err *err);

/*
 * Waits for the running fetch, or for a new one. SSF_E_BUSY: it is too early for a new one, or too
 * many wait.
 */
ssf_nodiscard int hub_keys_wait_start(struct hub_keys *k, hub_keys_done_f *done, void *arg,
				  struct hub_keys_wait **out, struct ssf_err *err);
void hub_keys_wait_cancel(struct hub_keys_wait *w);
