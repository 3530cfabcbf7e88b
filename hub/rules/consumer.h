/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the log, matches every event against the rules, and commits what follows (derived
 * events, revocations, which rule matched and why) in one transaction with its own cursor. An
 * event is therefore acted on exactly once, whatever is killed.
 */
#pragma once

#include "hub/registry/registry.h"
#include "hub/rules/rule_file.h"
#include "hub/eventlog/event.h"
#include "hub/cluster/owner.h"

struct rules_consumer;

/*
 * issuer is borrowed: of the subjects that rules emit for agents. Works while this process owns
 * OWNER_RULES.
 */
ssf_nodiscard int rules_consumer_new(struct loop *loop, struct db *db, struct owner *owner,
				     struct event_log *log, struct registry *registry, const char *issuer,
				     struct rules_consumer **out, struct ssf_err *err);
void rules_consumer_free(struct rules_consumer *c);

int64_t rules_consumer_cursor(const struct rules_consumer *c); /* -1: another process knows */
size_t rules_consumer_rules(const struct rules_consumer *c); /* rules in force or in dry-run */
