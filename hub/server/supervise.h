/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several processes of one hub under a parent that serves nothing itself. The parent starts them,
 * restarts those that die (at once, then with backoff), and passes SIGTERM and SIGHUP on. Each process
 * has its own listening socket on the shared port. The socket dies with its process, so that the kernel
 * gives new connections to the others. The processes die with the parent.
 */
#pragma once

#include "hub/postgres/postgres.h"
#include "lib/ssf/err.h"

#define SUPERVISE_MAX 64

struct supervise_conf {
	unsigned processes;
	const char *listen;
	int64_t stop_ms;           /* between SIGTERM and SIGKILL */
	struct postgres *postgres; /* ownership is taken: watched, stopped at the end; NULL: none */
	/* Both are called in the parent: when the port is known, before any process starts; */
	int (*opened)(void *arg, unsigned port, struct ssf_err *err);
	/* and once, when all processes are ready. */
	void (*ready)(void *arg, unsigned port);
	void *arg;
};

/* What a process knows of itself. */
struct supervise_child {
	unsigned number; /* from 1 */
	int listen_fd;
	int ready_fd;    /* supervise_ready() */
};

/*
 * Returns twice. In each process at once, with *is_child true and *child filled: it continues as if it
 * were alone. In the parent when all processes have ended: 0, or 1 if one could not start, which is then
 * the exit status of the program. The caller blocks SIGTERM, SIGINT and SIGHUP; they are blocked in each
 * process.
 */
ssf_nodiscard int supervise(const struct supervise_conf *conf, bool *is_child,
			    struct supervise_child *child, struct ssf_err *err);
/* Tells the parent that this process is ready. */
void supervise_ready(const struct supervise_child *child);
