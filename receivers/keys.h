/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hub's public keys: fetched over https, from jwks_url or from where the
 * hub's metadata says (SSF 1.0 section 7; the issuer in it must be equal to the
 * configured one), kept in memory. Fetched again when they are an hour old, so that a
 * withdrawn key goes, and when a key is asked for that is not among them, so
 * that a new one comes; the latter not more often than every ten seconds, so that
 * made-up key ids cannot be used to load the hub. While the hub does not answer, the
 * keys that are there stay in use.
 */
#pragma once

#include "lib/http/http_client.h"
#include "lib/ssf/err.h"
#include "lib/ssf/jwk.h"

struct keys;
struct keys_wait;

struct keys_conf {
	const char *issuer;
	const char *jwks_url; /* NULL: discovered */
};

/* The strings and http are borrowed for life. Starts the first fetch. */
ssf_nodiscard int keys_new(struct http_client *http, const struct keys_conf *conf,
			   struct keys **out, struct ssf_err *err);
/* Every wait must have ended or been cancelled. NULL is fine. */
void keys_free(struct keys *k);

/* Borrowed until the loop's next turn; NULL if not known. */
struct ssf_key *keys_find(struct keys *k, struct ssf_str kid, enum ssf_alg alg);

/* err NULL: fetched, look again. */
typedef void keys_done_f(void *arg, const struct ssf_err *err);

/*
 * Waits for the fetch that is under way, or for a new one. SSF_E_BUSY when it is too
 * early for a new one, or when too many wait.
 */
ssf_nodiscard int keys_wait_start(struct keys *k, keys_done_f *done, void *arg,
				  struct keys_wait **out, struct ssf_err *err);
void keys_wait_cancel(struct keys_wait *w);
