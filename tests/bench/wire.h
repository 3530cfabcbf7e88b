/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One kept-alive connection of a load tool to the hub, over TLS, without blocking: a request, its
 * answer, the next.
 */
#pragma once

#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wire {
	int fd;
	SSL *ssl;
	enum { WIRE_CONNECTING, WIRE_SHAKING, WIRE_OPEN } state;
	uint32_t watched;        /* what epoll is asked for */
	const char *out;         /* borrowed, until it is sent */
	size_t out_len;
	char *in;
	size_t in_len, in_size;
	size_t body_at;          /* of an answer: where its body begins in in */
	int status;
};

enum wire_got {
	WIRE_NOTHING,
	WIRE_READY,              /* the handshake is done */
	WIRE_ANSWER,             /* status and body of one answer are there */
	WIRE_LOST,               /* to be closed */
};

/* Where to ("127.0.0.1:8443"), and what is trusted there for localhost. Exits on failure. */
struct wire_target {
	struct sockaddr_in addr;
	SSL_CTX *ctx;
};
void wire_target(struct wire_target *t, const char *addr, const char *ca);

/* Begins to connect; events of the fd carry w. Exits on failure. */
void wire_open(struct wire *w, int epoll, const struct wire_target *t);
/* What came of an event. */
enum wire_got wire_step(struct wire *w, int epoll);
/* One request; bytes must stay until it is answered. */
enum wire_got wire_send(struct wire *w, int epoll, const char *bytes, size_t len);
/* The answer was dealt with. */
void wire_next(struct wire *w);
void wire_close(struct wire *w);
