/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs of PostgreSQL, run as children: as a user of their own when the hub is
 * root, with nothing of the hub but the two ends that they are given (no descriptors, no
 * environment, no signal handlers), and never longer than the hub lives.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/ssf/err.h"

#define SPAWN_GROUPS_MAX 64

struct spawn_user {
	char *name;
	uid_t uid;
	gid_t gid;
	gid_t groups[SPAWN_GROUPS_MAX];
	int group_count;
	bool other; /* not the user who we are: children change to it */
};

/* User postgres when we are root, otherwise who we are. */
ssf_nodiscard int spawn_user_find(struct spawn_user *out, struct ssf_err *err);
void spawn_user_done(struct spawn_user *user);

/* Whether user may enter dir (absolute); SSF_E_DENIED names the folder that is in the way. */
ssf_nodiscard int spawn_check_entry(const struct spawn_user *user, const char *dir,
				    struct ssf_err *err);

/*
 * Starts argv[0], an absolute path; out_fd becomes its stdout and stderr. The child gets
 * SIGINT when the thread that called this ends. What goes wrong in the child before
 * the program runs is written to out_fd.
 */
ssf_nodiscard int spawn_start(const struct spawn_user *user, char *const *argv, int out_fd,
			      pid_t *out, struct ssf_err *err);

/* Waits at most ms for the child to end, 0: only looks. True once, when it has. */
bool spawn_wait(pid_t pid, int64_t ms, int *out_status);

/* Both, for a program that has to end within ms with status 0. */
ssf_nodiscard int spawn_run(const struct spawn_user *user, char *const *argv, int out_fd,
			    int64_t ms, struct ssf_err *err);
