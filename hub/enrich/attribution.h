/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attribution: finds out which credential a signal is about that says "a secret leaked" without
 * telling which one (signal.needs_lookup). The vendor's API is asked (secret_lookup.h), and the
 * answer is appended as the event secret.leaked (leak_report.h).
 *
 * Such a signal is committed together with a row in the table attribution. The row is removed by
 * the transaction that appends the answer, so that a crash at any point loses neither.
 */
#pragma once

#include "hub/cluster/owner.h"
#include "hub/db/db.h"
#include "hub/eventlog/event.h"
#include "hub/registry/registry.h"
#include "hub/secrets/seal.h"
#include "lib/http/http_client.h"

struct attribution;

struct attribution_deps { /* all borrowed */
	struct loop *loop;
	struct db *db;
	struct owner *owner;
	struct event_log *log;
	struct registry *registry;
	struct http_client *client;
	const struct master_key *master;
};

/* Works while this process holds OWNER_ATTRIBUTION. */
ssf_nodiscard int attribution_new(const struct attribution_deps *deps, struct attribution **out,
				  struct ssf_err *err);
void attribution_free(struct attribution *a);

/* Looks for new rows now, not with the next tick. */
void attribution_wake(struct attribution *a);
