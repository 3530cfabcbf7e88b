/* SPDX-License-Identifier: Apache-2.0 */
/* Folders for tests that run a PostgreSQL of their own, and short ways to ask it. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct postgres;

/* A new folder in /tmp, which the server's user may pass through; the caller frees the name. */
char *pg_dir_new(void);
void pg_dir_remove(char *dir);

/* Of a cluster that must start. */
struct postgres *pg_dir_start(const char *dir);

/* First value of the first row; the statement must succeed and have one. The caller frees it. */
char *pg_ask(const char *conninfo, const char *sql);
void pg_run(const char *conninfo, const char *sql);
bool pg_answers(const char *conninfo);
