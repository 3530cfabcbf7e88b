/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signals: what a source adapter (adapter.h) makes of one authenticated request. A signal is one
 * thing that happened, without any secret in it.
 */
#pragma once

#include <jansson.h>

#include "lib/ssf/attr.h"
#include "lib/ssf/buf.h"
#include "lib/ssf/err.h"

struct signal {
	char *type;        /* "github.secret_scanning_alert.created", "secret.leaked" */
	char *id;          /* dedupe key within the source: a repeated request gives the same ids */
	json_t *detail;    /* object; what rules can match on */
	bool needs_lookup; /* a secret leaked, and adapter_lookup has to ask which */
	bool has_fingerprint;
	uint8_t fingerprint[SSF_SHA256_LEN]; /* SHA-256 of a leaked secret */
};

struct signal_list {
	struct signal *items;
	size_t count;
	size_t cap;
	size_t max;
};

void signal_list_init(struct signal_list *list, size_t max);
void signal_list_done(struct signal_list *list); /* no-op on zeroed memory */
/* Drops all signals behind the first count, for an adapter that fails half-way. */
void signal_list_truncate(struct signal_list *list, size_t count);
/* Appends an empty signal, borrowed through out until the next change; SSF_E_LIMIT above max. */
ssf_nodiscard int signal_list_add(struct signal_list *list, struct signal **out,
				  struct ssf_err *err);

#define SIGNAL_TEXT_MAX 2048

/* Sets detail[key], cut to SIGNAL_TEXT_MAX bytes between characters; SSF_E_NOMEM. */
ssf_nodiscard int signal_put_text(json_t *detail, const char *key, const char *value,
				  struct ssf_err *err);
ssf_nodiscard int signal_put_integer(json_t *detail, const char *key, json_int_t value,
				     struct ssf_err *err);
/* detail[key] = from[name], if that is a string. */
ssf_nodiscard int signal_copy_text(json_t *detail, const char *key, const json_t *from,
				   const char *name, struct ssf_err *err);
/*
 * Copies the named members of from (NULL ends the list) that are strings, integers or booleans.
 * Members that are absent, null or of another type are left out.
 */
ssf_nodiscard int signal_copy_members(json_t *detail, const json_t *from, const char *const *names,
				      struct ssf_err *err);

/*
 * Overwrites the text of every string in a parsed value, at any depth: a secret may
 * stand in a member that nobody expected. NULL is fine.
 */
void signal_wipe_strings(json_t *value);
