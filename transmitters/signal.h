/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a source adapter makes of one authenticated request: signals, each a
 * thing that happened, without any secret in it. Adapters are pure functions
 * from bytes to signals: no I/O, no clock, no registry.
 */
#pragma once

#include <jansson.h>

#include "lib/ssf/attr.h"
#include "lib/ssf/buf.h"
#include "lib/ssf/err.h"

/* What the hub has to find out before a signal can be acted on. */
enum signal_lookup {
	SIGNAL_LOOKUP_NONE,
	SIGNAL_LOOKUP_GITHUB_ALERT, /* which credential a secret scanning alert is about */
};

struct signal {
	char *type;             /* "github.secret_scanning_alert.created", "secret.leaked" */
	char *id;               /* dedupe key within the source: a repeat gives the same ids */
	json_t *detail;         /* object; what rules can match on */
	enum signal_lookup lookup;
	bool has_fingerprint;
	uint8_t fingerprint[SSF_SHA256_LEN]; /* SHA-256 of a leaked secret, which is gone */
};

struct signal_list {
	struct signal *items;
	size_t count;
	size_t cap;
	size_t max;
};

void signal_list_init(struct signal_list *list, size_t max);
void signal_list_done(struct signal_list *list); /* no-op on zeroed memory */
/* Drops what is behind the first count, for an adapter that fails half-way. */
void signal_list_truncate(struct signal_list *list, size_t count);
/* Appends an empty one, borrowed through out until the next change; SSF_E_LIMIT above max. */
ssf_nodiscard int signal_list_add(struct signal_list *list, struct signal **out,
				  struct ssf_err *err);

#define SIGNAL_TEXT_MAX 2048

/* Sets detail[key], cut to SIGNAL_TEXT_MAX bytes between characters; SSF_E_NOMEM. */
ssf_nodiscard int signal_put_text(json_t *detail, const char *key, const char *value,
				  struct ssf_err *err);

/*
 * Overwrites the text of every string in a parsed value, at any depth: a secret may
 * stand in a member that nobody expected. NULL is fine.
 */
void signal_wipe_strings(json_t *value);
