/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several processes of one hub: a parent that serves nothing itself and starts them, starts again
 * what dies (at once, later with backoff), and passes SIGTERM on. Each has a listening socket of its
 * own on the one port, which goes with it: new connections are for the others as long as it is away. The
 * processes die with the parent.
 */
#pragma once

#include "hub/postgres/postgres.h"
#include "lib/ssf/err.h"

#define SUPERVISE_MAX 64

struct supervise_conf {
	unsigned processes;
	const char *listen;
	int64_t stop_ms;       /* for them to end at SIGTERM; after that they are killed */
	struct postgres *cluster; /* taken over: watched, and stopped at the end; NULL: none */
	/* In the parent, before anything is started: the port is known. */
	int (*opened)(void *arg, unsigned port, struct ssf_err *err);
	void (*ready)(void *arg, unsigned port); /* in the parent, once all are */
	void *arg;
};

/* What a process is to know of itself. */
struct supervise_child {
	unsigned number; /* from 1 */
	int listen_fd;
	int ready_fd;    /* supervise_ready() */
};

/*
 * Returns in the parent when all have ended: 0, or 1 if one could not start, and the status is to be
 * that of the program; and in each process, at once, with true and child filled: it goes on as if
 * it were alone. SIGTERM and SIGINT have to be blocked; in a process they are.
 */
ssf_nodiscard int supervise(const struct supervise_conf *conf, bool *is_child,
			    struct supervise_child *child, struct ssf_err *err);
/* This process is ready. */
void supervise_ready(const struct supervise_child *child);
