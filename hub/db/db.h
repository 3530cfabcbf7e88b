/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asynchronous PostgreSQL: a few connections on the loop, and a bounded queue of statements before them. A
 * statement is a transaction of its own; what needs more is a function in sql/.
 *
 * When no connection is up, a statement fails at once with SSF_E_UNAVAILABLE: nothing is kept in memory for
 * later. When a connection breaks under a statement, its outcome is unknown and the error is SSF_E_UNAVAILABLE,
 * too: every statement here may be repeated.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hub/db/params.h"
#include "hub/db/result.h"
#include "hub/db/stmt.h"
#include "lib/kit/loop.h"
#include "lib/ssf/err.h"

struct db;
struct db_op;

struct db_conf {
	const char *conninfo;
	unsigned connections;
	size_t queue_max; /* statements waiting; above it SSF_E_BUSY */
	int timeout_ms;	  /* for one statement, waiting included */
	/* Run on every new connection after our settings, before it is used; NULL: none. If it fails, the
	 * connection is made again. */
	const char *session_sql;
	/* Lets both ends find out within seconds that the other has vanished: for sessions that hold locks. */
	bool detect_dead_peer;
	/* Another session's NOTIFY on a channel that session_sql listens to; NULL: ignored. */
	void (*notified)(void *arg, const char *payload);
};

/* Called when the first connection has come up and when the last has gone. arg: also that of notified. */
typedef void db_state_f(void *arg, bool up);

ssf_nodiscard int db_new(struct loop *loop, const struct db_conf *conf, db_state_f *state,
			 void *arg, struct db **out, struct ssf_err *err);
/*
 * For the end: fails every statement with SSF_E_UNAVAILABLE and takes none any more. Callbacks run inside. Must be
 * called before anything is freed that a detached statement names as its arg.
 */
void db_stop(struct db *db); /* NULL is fine */
/* Cancels what is left. Asserts that no detached statement is: db_stop() has answered those. NULL is fine. */
void db_free(struct db *db);
/* Gives all connections up, as if they had broken; they are made again. */
void db_drop(struct db *db, const char *why);
bool db_is_up(const struct db *db);
/*
 * For how long the database has not answered although a statement waits for it; 0: none waits. A connection that
 * has died in silence counts as up until its statement is late.
 */
int64_t db_silent_ms(const struct db *db);
unsigned db_connections(const struct db *db); /* that are up */
size_t db_queued(const struct db *db);	      /* statements that wait for a connection */

/* Called once, from the loop. err NULL: result is borrowed for the call. */
typedef void db_done_f(void *arg, const struct db_result *result, const struct ssf_err *err);

/*
 * Runs a statement; params: DB_PARAMS(...) or DB_NO_PARAMS. *out is valid until done is called or db_cancel() is. On failure it
 * is not set. SSF_E_UNAVAILABLE, SSF_E_BUSY, SSF_E_NOMEM.
 */
ssf_nodiscard int db_exec_params(struct db *db, enum stmt stmt, const struct db_params *params,
				 db_done_f *done, void *arg, struct db_op **out, struct ssf_err *err);
/* The statement may still take effect. NULL is a no-op. */
void db_cancel(struct db_op *op);
/*
 * The same without a handle: done (NULL: none) is called in any case, at the latest by db_stop(). So arg must live
 * until then, and the program must call db_stop() before it frees any such arg.
 */
ssf_nodiscard int db_exec_detached(struct db *db, enum stmt stmt, const struct db_params *params,
				   db_done_f *done, void *arg, struct ssf_err *err);

/* Deprecated: parameters as text. To be removed with the last caller. */
ssf_nodiscard int db_exec_text(struct db *db, enum stmt stmt, const char *const *params, db_done_f *done,
			       void *arg, struct db_op **out, struct ssf_err *err);
#define db_exec(db, stmt, params, ...) \
	_Generic((params), const struct db_params *: db_exec_params, default: db_exec_text)(db, stmt, params, __VA_ARGS__)
char *db_array(const json_t *list);
