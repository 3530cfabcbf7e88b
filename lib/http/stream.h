/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connected socket on the loop, plain or TLS, for servers and clients: nonblocking reads and writes, and a
 * callback when they may go on. Owns the socket, the TLS session and their watches; knows no protocol above.
 *
 * TLS may have to write in order to read, and the other way round: when the callback comes, the owner tries again
 * whatever it had to wait for, whichever readiness is reported.
 */
#pragma once

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/kit/loop.h"
#include "lib/ssf/err.h"

enum stream_result {
	STREAM_DONE,
	STREAM_WAIT, /* not now: the callback comes when it may go on */
	STREAM_EOF,  /* the peer sends no more, properly: FIN, or close_notify of TLS. It may still read. */
	STREAM_LOST, /* reset, or TLS has failed, or out of memory */
};

struct stream {
	struct loop *loop;
	int fd;   /* -1: closed */
	SSL *ssl; /* NULL: plain */
	struct loop_watch *read, *write;
	loop_watch_f *f;
	void *arg;
};

/* Takes fd and ssl (NULL: plain), also when it fails. Calls f(arg) from the loop. It begins to watch nothing. */
ssf_nodiscard int stream_init(struct stream *s, struct loop *loop, int fd, SSL *ssl, loop_watch_f *f, void *arg);
/* Closes the socket; no callback comes any more. No-op when closed, or zeroed with fd -1. */
void stream_close(struct stream *s);

/*
 * The callback comes whenever there is something to read, until stream_pause_read(): without it, bytes that nobody
 * reads would keep the loop busy. -1: out of memory.
 */
ssf_nodiscard int stream_watch_read(struct stream *s);
void stream_pause_read(struct stream *s);
/* The same for writing, to wait for connect(). The functions below set and clear it as they need it. */
ssf_nodiscard int stream_watch_write(struct stream *s);
void stream_pause_write(struct stream *s);

/* STREAM_DONE without TLS. */
enum stream_result stream_handshake(struct stream *s);
/*
 * *len: at least 1 byte with STREAM_DONE. more: there may be more at once, for which no callback would come: read
 * on until it is false or the result is another one.
 */
enum stream_result stream_read(struct stream *s, char *bytes, size_t size, size_t *len, bool *more);
/* As much as goes now; *done is added to. STREAM_DONE: all of it. */
enum stream_result stream_write(struct stream *s, const char *bytes, size_t len, size_t *done);
/* Throws away what has come, after stream_finish(). Never STREAM_DONE. */
enum stream_result stream_discard(struct stream *s);
/* Nothing more will be sent: close_notify and FIN. The peer may still send. */
void stream_finish(struct stream *s);
/* Bytes wait in the memory of TLS, so that no readiness will tell of them. */
bool stream_has_buffered(const struct stream *s);
