/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The private PostgreSQL of a hub that was given no database: a cluster in the
 * data directory, reachable through a unix socket only, run as a child process
 * (as user postgres when the hub is root, since PostgreSQL refuses to be root).
 *
 * It dies with the hub: the child asks the kernel for SIGINT (fast shutdown)
 * when its parent goes. When it dies by itself it is started again, with backoff.
 * Nothing here reads or writes the database's contents.
 */
#pragma once

#include "lib/kit/loop.h"

struct postgres;

/*
 * Finds initdb and postgres (bindir; or those of the version that made dir/pg, PATH, the newest
 * /usr/lib/postgresql/N/bin), runs initdb in dir/pg if it is not there (to a temporary name,
 * renamed when complete, so that a crash half way leaves nothing wrong), waits for an earlier hub
 * and postmaster on it to end (30 s), starts it and waits until it takes connections (60 s, and
 * 10 minutes while it recovers from a crash). Blocks: call it before the loop runs, in the
 * loop's thread, whose end is what the child takes for the end of the hub.
 * dir (one level) is made if it is missing. As root it has to be searchable for user postgres.
 * Errors say which step failed and quote the last lines of postgres' own words (dir/postgres.log).
 */
ssf_nodiscard int postgres_start(const char *dir, const char *bindir, struct postgres **out,
				struct ssf_err *err);

/* libpq conninfo of database ssfhub on it. */
const char *postgres_conninfo(const struct postgres *c);

/* Watches the child from the loop (SIGCHLD) and restarts it when it dies. */
ssf_nodiscard int postgres_watch(struct postgres *c, struct loop *loop, struct ssf_err *err);

/* In a child of the process that started it: forgets it, and leaves it alone. NULL is fine. */
void postgres_forget(struct postgres *c);

/* Fast shutdown: SIGINT, wait up to 30 s, then SIGQUIT. Frees c. NULL is fine. */
void postgres_stop(struct postgres *c);
