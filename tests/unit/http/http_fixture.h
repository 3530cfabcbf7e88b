/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server of our own on a loop, and raw clients that write bytes as they
 * please. All in one thread: a test says what it waits for, and the loop turns
 * until that is so, or the test fails after some seconds.
 */
#pragma once

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/http/http_server.h"
#include "lib/kit/loop.h"

#define FIXTURE_HELD 8

struct fixture {
	struct loop *loop;
	struct http_server *server;
	struct http_server_conf conf;
	char dir[64]; /* of the development CA */
	char *cert, *key, *ca;
	struct http_req *held[FIXTURE_HELD]; /* requests to /hold, in order */
	unsigned n_held;
	unsigned n_requests;
	unsigned n_closed; /* on_close of held ones */
	struct loop_tick *tick;
	int64_t deadline;
	bool (*until)(void *arg);
	void *until_arg;
};

struct raw {
	struct fixture *f;
	int fd;
	SSL_CTX *ctx;
	SSL *ssl;
	char got[65536];
	size_t len;
	bool eof;      /* the server has closed in an orderly way */
	bool reset;
	const char *wanted;
};

/*
 * Its handler answers
 *   /hold      not at all: the test does with http_reply
 *   /large     32 MiB
 *   /kib...    as many KiB as q says
 *   /redirect  302 to /echo
 *   /retry     503 with Retry-After and ETag
 *   others     a JSON text {"method","path","q","x","x_count","body","peer"}
 */
void fixture_init(struct fixture *f, bool tls);
void fixture_start(struct fixture *f); /* the server, with f->conf */
void fixture_done(struct fixture *f);
void fixture_until(struct fixture *f, bool (*until)(void *arg), void *arg);
void fixture_until_held(struct fixture *f, unsigned n);
void fixture_until_closed(struct fixture *f, unsigned n);
void fixture_until_connections(struct fixture *f, unsigned n);
void fixture_reply(struct http_req *r, int status, const char *body);

void raw_open(struct raw *r, struct fixture *f);     /* TLS when the server has it */
void raw_open_tcp(struct raw *r, struct fixture *f);
void raw_send(struct raw *r, const char *text);
void raw_send_bytes(struct raw *r, const char *bytes, size_t len);
void raw_until(struct raw *r, const char *wanted);   /* these bytes are among the received */
void raw_until_eof(struct raw *r);
void raw_clear(struct raw *r);
void raw_end_sending(struct raw *r); /* FIN, with TLS after close_notify */
void raw_close(struct raw *r);
