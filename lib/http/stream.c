/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/http/stream.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

int stream_init(struct stream *s, struct loop *loop, int fd, SSL *ssl, loop_watch_f *f, void *arg)
{
	*s = (struct stream){ .loop = loop, .fd = fd, .ssl = ssl, .f = f, .arg = arg };
	if (ssl != NULL && SSL_set_fd(ssl, fd) != 1) {
		ERR_clear_error();
		stream_close(s);
		return -1;
	}
	return 0;
}

void stream_close(struct stream *s)
{
	loop_watch_cancel(s->read);
	loop_watch_cancel(s->write);
	SSL_free(s->ssl);
	if (s->fd >= 0)
		close(s->fd);
	*s = (struct stream){ .fd = -1 };
}

int stream_watch_read(struct stream *s)
{
	if (s->read == NULL)
		s->read = loop_watch_start(s->loop, s->fd, true, false, s->f, s->arg);
	return s->read != NULL ? 0 : -1;
}

void stream_pause_read(struct stream *s)
{
	loop_watch_cancel(s->read);
	s->read = NULL;
}

int stream_watch_write(struct stream *s)
{
	if (s->write == NULL)
		s->write = loop_watch_start(s->loop, s->fd, false, true, s->f, s->arg);
	return s->write != NULL ? 0 : -1;
}

void stream_pause_write(struct stream *s)
{
	loop_watch_cancel(s->write);
	s->write = NULL;
}

static enum stream_result wait_to_write(struct stream *s)
{
	return stream_watch_write(s) == 0 ? STREAM_WAIT : STREAM_LOST;
}

/* Why an operation of TLS did not succeed. When it waits to read, writability would only keep the loop busy. */
static enum stream_result tls_result(struct stream *s, int result)
{
	int why = SSL_get_error(s->ssl, result);

	switch (why) {
	case SSL_ERROR_WANT_READ:
		stream_pause_write(s);
		return STREAM_WAIT;
	case SSL_ERROR_WANT_WRITE:
		return wait_to_write(s);
	case SSL_ERROR_ZERO_RETURN:
		return STREAM_EOF;
	default:
		ERR_clear_error();
		return STREAM_LOST;
	}
}

enum stream_result stream_handshake(struct stream *s)
{
	int r;

	if (s->ssl == NULL || SSL_is_init_finished(s->ssl))
		return STREAM_DONE;
	ERR_clear_error();
	r = SSL_do_handshake(s->ssl);
	if (r != 1)
		return tls_result(s, r) == STREAM_WAIT ? STREAM_WAIT : STREAM_LOST;
	stream_pause_write(s);
	return STREAM_DONE;
}

bool stream_has_buffered(const struct stream *s)
{
	return s->ssl != NULL && SSL_has_pending(s->ssl) == 1;
}

static enum stream_result tls_read(struct stream *s, char *bytes, size_t size, size_t *len, bool *more)
{
	int r;

	ERR_clear_error();
	r = SSL_read_ex(s->ssl, bytes, size, len);
	*more = r == 1 && stream_has_buffered(s);
	return r == 1 ? STREAM_DONE : tls_result(s, r);
}

enum stream_result stream_read(struct stream *s, char *bytes, size_t size, size_t *len, bool *more)
{
	ssize_t n;

	*len = 0;
	*more = false;
	if (s->ssl != NULL)
		return tls_read(s, bytes, size, len, more);
	do {
		n = recv(s->fd, bytes, size, 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? STREAM_WAIT : STREAM_LOST;
	*len = (size_t)n;
	return n > 0 ? STREAM_DONE : STREAM_EOF;
}

static enum stream_result write_some(struct stream *s, const char *bytes, size_t len, size_t *done)
{
	ssize_t n;

	if (s->ssl != NULL) {
		int r;

		ERR_clear_error();
		r = SSL_write_ex(s->ssl, bytes, len, done);
		return r == 1 ? STREAM_DONE : tls_result(s, r);
	}
	do {
		n = send(s->fd, bytes, len, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? wait_to_write(s) : STREAM_LOST;
	*done = (size_t)n;
	return STREAM_DONE;
}

enum stream_result stream_write(struct stream *s, const char *bytes, size_t len, size_t *done)
{
	size_t at = 0;

	while (at < len) {
		size_t n = 0;
		enum stream_result r = write_some(s, bytes + at, len - at, &n);

		at += n;
		*done += n;
		if (r != STREAM_DONE)
			return r == STREAM_WAIT ? r : STREAM_LOST;
	}
	stream_pause_write(s);
	return STREAM_DONE;
}

enum stream_result stream_discard(struct stream *s)
{
	char waste[16384];
	ssize_t n = recv(s->fd, waste, sizeof(waste), MSG_DONTWAIT);

	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		return STREAM_WAIT;
	return n == 0 ? STREAM_EOF : STREAM_LOST;
}

void stream_finish(struct stream *s)
{
	if (s->ssl != NULL && SSL_is_init_finished(s->ssl))
		SSL_shutdown(s->ssl);
	ERR_clear_error();
	shutdown(s->fd, SHUT_WR);
}
