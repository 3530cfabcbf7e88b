/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection to PostgreSQL on the loop, which runs one statement at a time and connects again, with backoff,
 * when it breaks:
 *
 *   down -> connecting -> session -> ready <-> busy, and from everywhere back to down
 *
 * It prepares a statement on first use. It must never report an outcome that it does not know.
 */
#pragma once

#include <libpq-fe.h>
#include <stdbool.h>

#include "hub/db/result.h"
#include "hub/db/stmt.h"
#include "lib/kit/loop.h"
#include "lib/ssf/err.h"

struct db_result {
	const PGresult *pg;
};

struct conn;

/* All are called from the loop. They may call every function of this header but conn_free(). */
struct conn_events {
	void (*up)(void *arg); /* ready for a statement */
	/*
	 * The connection is gone. was_up: it had been ready. err: for the statement under way, if there is one; its
	 * outcome is unknown.
	 */
	void (*down)(void *arg, bool was_up, const struct ssf_err *err);
	/* The statement has ended and the connection is ready again. err NULL: result is borrowed for the call. */
	void (*done)(void *arg, const struct db_result *result, const struct ssf_err *err);
	void (*notified)(void *arg, const char *payload); /* by another session */
};

struct conn_conf {
	const char *conninfo;	 /* kept by reference, like the others */
	const char *session_sql; /* run first on every new connection */
	bool detect_dead_peer;	 /* see db.h */
	const struct conn_events *events;
	void *arg;
};

/* Connects at once. conf is copied. NULL: out of memory. */
struct conn *conn_new(struct loop *loop, const struct conn_conf *conf);
void conn_free(struct conn *c); /* calls nothing; NULL is fine */

bool conn_is_ready(const struct conn *c);
/*
 * Starts a statement on a connection that is ready. params must live until done or down is called. A failure is
 * told by down, never from inside this call.
 */
void conn_start_stmt(struct conn *c, enum stmt stmt, const struct db_encoded_params *params);
/* Gives the connection up, as if it had broken, and calls down from inside. Without effect on one that is down. */
void conn_drop(struct conn *c, enum ssf_code code, const char *why);
/* The same for the end: it does not connect again, and neither logs nor passes on notifications. */
void conn_stop(struct conn *c);
