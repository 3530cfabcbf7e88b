/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asynchronous PostgreSQL: a few connections on the loop, one statement at a time on each,
 * a bounded queue before them. Statements are prepared on first use. A statement is a
 * transaction of its own; what needs more is a function in sql/.
 *
 * When no connection is up, a statement fails at once with SSF_E_UNAVAILABLE: nothing is kept
 * for later in memory. When a connection breaks under a statement, its outcome is unknown and the
 * error is SSF_E_UNAVAILABLE too: every statement here may be repeated.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/kit/loop.h"
#include "lib/ssf/buf.h"
#include "lib/ssf/err.h"

struct db;
struct db_op;
struct db_result;

/* A statement; the name is unique, the text never changes. See stmt.def. */
enum stmt {
#define STMT(name, params, sql) STMT_##name,
#include "hub/db/stmt.def"
#undef STMT
	STMT_COUNT
};

struct db_conf {
	const char *conninfo;
	unsigned connections;
	size_t queue_max;       /* statements waiting; above it SSF_E_BUSY */
	int timeout_ms;         /* for one statement, waiting included */
	/* Run on every new connection after our settings, before it is used; NULL: none. If it fails, it is tried again. */
	const char *session_sql;
	/*
	 * The connections find out within seconds that the other end has vanished, and let it find out
	 * about us: for those that hold locks.
	 */
	bool brisk;
	/* What a connection of somebody else has sent with NOTIFY; NULL: not listened to. */
	void (*notified)(void *arg, const char *payload);
};

/* Called when the first connection has come up and when the last has gone; arg is that of notified, too. */
typedef void db_state_f(void *arg, bool up);

ssf_nodiscard int db_new(struct loop *loop, const struct db_conf *conf, db_state_f *state,
			 void *arg, struct db **out, struct ssf_err *err);
/* Cancels what is under way. NULL is fine. */
void db_free(struct db *db);
/* For the end: fails all that is under way or waits with SSF_E_UNAVAILABLE, and takes nothing any more. */
void db_stop(struct db *db);
/* Gives all connections up, as if they had broken; they are made anew. */
void db_drop(struct db *db, const char *why);
bool db_is_up(const struct db *db);
/*
 * For how long the database has not answered anything though a statement waits for it; 0: nothing waits.
 * A connection that has died in silence is up until its statement is late.
 */
int64_t db_silent_ms(const struct db *db);
unsigned db_connections(const struct db *db); /* that are up */
size_t db_queued(const struct db *db);        /* statements that wait for a connection */

/* Text format; NULL is SQL null. Copied. */
#define DB_MAX_PARAMS 12

/* A parameter in text (ends with NUL) or binary format; ptr NULL is SQL null. Copied. */
struct db_value {
	const char *ptr;
	size_t len;
	bool binary;
};

/* err NULL: result is borrowed for the call. */
typedef void db_done_f(void *arg, const struct db_result *result, const struct ssf_err *err);

/* SSF_E_UNAVAILABLE, SSF_E_BUSY. Params beyond those of the statement are ignored. */
ssf_nodiscard int db_exec(struct db *db, enum stmt stmt, const char *const *params,
			  db_done_f *done, void *arg, struct db_op **out, struct ssf_err *err);
ssf_nodiscard int db_exec_values(struct db *db, enum stmt stmt, const struct db_value *values,
				 db_done_f *done, void *arg, struct db_op **out, struct ssf_err *err);
/* The statement may still take effect. NULL is a no-op. */
void db_cancel(struct db_op *op);

size_t db_rows(const struct db_result *r);
const char *db_text(const struct db_result *r, size_t row, int column); /* NULL for SQL null */
int64_t db_int(const struct db_result *r, size_t row, int column);      /* 0 for SQL null */
/* A new reference; NULL for SQL null and when out of memory. */
json_t *db_json(const struct db_result *r, size_t row, int column);
/*
 * An array as a parameter: a JSON array of numbers, or of strings of printable ASCII. The caller frees
 * it; NULL when out of memory.
 */
char *db_array(const json_t *list);
