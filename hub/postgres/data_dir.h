/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The folder of a hub's own PostgreSQL:
 *
 *   DIR/pg             the cluster, of the server's user
 *   DIR/pg_hba.conf    who may connect, and as whom: the hub's user, nobody else. They stand
 *   DIR/pg_ident.conf  outside of pg so that nothing is written as root where another user could
 *   DIR/run            socket, or /tmp/ssfhub-HASH when its path would be too long
 *   DIR/hub.lock       locked by the hub that uses DIR
 *   DIR/postgres.log   what PostgreSQL says; from 8 MiB on it begins anew when it is started
 */
#pragma once

#include "hub/postgres/spawn.h"
#include "lib/ssf/buf.h"

#define POSTGRES_ROLE "ssfhub"
#define POSTGRES_LOG_QUOTE 161

struct data_dir {
	struct spawn_user user;
	int lock;      /* DIR/hub.lock, open; locked against other hubs as long as this lives */
	char *root;    /* DIR, absolute */
	char *pg;
	char *hba;
	char *ident;
	char *log;
	char *run;
	bool remove_run; /* when this ends: it is not in DIR */
	char *initdb;
	char *postgres;
};

/*
 * Finds or makes everything, the cluster included. Waits up to 30 s for an earlier hub on DIR
 * and for its postgres to end, which is told to after 10 s of its own. On failure there is nothing to release.
 */
ssf_nodiscard int data_dir_init(struct data_dir *d, const char *dir, const char *bindir,
				   struct ssf_err *err);
void data_dir_done(struct data_dir *d);

/* A descriptor to append to the log, out_end: where it ends now. */
ssf_nodiscard int data_dir_open_log(const struct data_dir *d, int *out_fd, off_t *out_end,
				       struct ssf_err *err);

/* The last two lines written to the log since its length was from, in one; empty if none. */
void data_dir_quote_log(const struct data_dir *d, off_t from, char out[POSTGRES_LOG_QUOTE]);
