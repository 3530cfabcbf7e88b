/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds out which credential a GitHub alert is about. The webhook names only repository and
 * alert number; the secret is asked for at GitHub's REST API with the source's token, hashed at
 * once and matched. What has to be asked is a row that was committed with the webhook
 * and goes in the same transaction that appends the answer, so that a crash at any point loses
 * neither.
 */
#pragma once

#include "hub/ingest/batch.h"
#include "hub/secrets/seal.h"
#include "hub/registry/registry.h"
#include "hub/cluster/owner.h"
#include "lib/http/http_client.h"

struct attributor;

/* All borrowed. Works while this process owns OWNER_ATTRIBUTION. */
ssf_nodiscard int attributor_new(struct loop *loop, struct db *db, struct owner *owner,
				 struct event_log *log, struct registry *registry,
				 struct http_client *client, const struct master_key *master,
				 struct attributor **out, struct ssf_err *err);
void attributor_free(struct attributor *a);

/* There is something new to ask. */
void attributor_wake(struct attributor *a);
