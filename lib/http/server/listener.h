/* SPDX-License-Identifier: Apache-2.0 */
/* A listening socket on the loop, which can be paused: what connects meanwhile waits in the kernel. */
#pragma once

#include <sys/socket.h>

#include "lib/kit/loop.h"
#include "lib/ssf/err.h"

/*
 * Opens a listening socket on an IP address and a port: "127.0.0.1:8443", "[::1]:0"; port 0 picks one, which
 * *out_port tells. For servers of several processes it can be shared: others may be opened for the same address
 * (SO_REUSEPORT), and the kernel spreads connections over them. The first of them fails if anybody listens there
 * already. SSF_E_MALFORMED (not an address with a port), SSF_E_UNAVAILABLE.
 */
enum http_share { HTTP_ALONE, HTTP_SHARED_FIRST, HTTP_SHARED };
ssf_nodiscard int http_listen(const char *listen, enum http_share share, int *out_fd, unsigned *out_port,
			      struct ssf_err *err);

struct http_listener;

/* Takes fd, a connection: nonblocking, closed on exec. */
typedef void http_accepted_f(void *arg, int fd, const struct sockaddr *peer);

/* Takes fd, of http_listen(), also when it fails. It listens at once. NULL: out of memory. */
struct http_listener *http_listener_new(struct loop *loop, int fd, http_accepted_f *f, void *arg);
void http_listener_free(struct http_listener *l); /* closes the socket; NULL is fine */
unsigned http_listener_port(const struct http_listener *l);
/* A pause also begins by itself when the kernel has no descriptors left. Both are fine at any time. */
void http_listener_pause(struct http_listener *l);
void http_listener_resume(struct http_listener *l);
