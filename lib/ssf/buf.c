/* SPDX-License-Identifier: Apache-2.0 */
/* A buffer never exceeds its maximum, and leaves no copy of its bytes behind when it grows or is released. */
#include "lib/ssf/buf.h"

#include "lib/ssf/err.h"

#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAP 64

void ssf_buf_init(struct ssf_buf *b, size_t max)
{
	*b = (struct ssf_buf){ .max = max };
}

static void release(struct ssf_buf *b)
{
	if (b->ptr == NULL)
		return;
	OPENSSL_cleanse(b->ptr, b->cap);
	free(b->ptr);
	b->ptr = NULL;
}

void ssf_buf_done(struct ssf_buf *b)
{
	release(b);
	*b = (struct ssf_buf){ 0 };
}

void ssf_buf_reset(struct ssf_buf *b)
{
	b->len = 0;
	b->failed = false;
	if (b->ptr != NULL)
		b->ptr[0] = '\0';
}

/* Makes room for more bytes and the NUL behind them. */
static int grow(struct ssf_buf *b, size_t more)
{
	if (b->failed || more > b->max - b->len) {
		b->failed = true;
		return -1;
	}
	size_t need = b->len + more + 1;
	if (need <= b->cap)
		return 0;

	size_t cap = b->cap > 0 ? b->cap : FIRST_CAP;
	while (cap < need)
		cap = cap > SIZE_MAX / 2 ? need : cap * 2;
	if (cap - 1 > b->max)
		cap = b->max + 1;
	char *bigger = malloc(cap); /* not realloc(): it would leave the old bytes unwiped */
	if (bigger == NULL) {
		b->failed = true;
		return -1;
	}
	if (b->len > 0)
		memcpy(bigger, b->ptr, b->len);
	release(b);
	b->ptr = bigger;
	b->cap = cap;
	return 0;
}

int ssf_buf_reserve(struct ssf_buf *b, size_t len)
{
	return grow(b, len);
}

int ssf_buf_add(struct ssf_buf *b, const void *bytes, size_t len)
{
	if (grow(b, len) < 0)
		return -1;
	if (len > 0)
		memcpy(b->ptr + b->len, bytes, len);
	b->len += len;
	b->ptr[b->len] = '\0';
	return 0;
}

int ssf_buf_append(struct ssf_buf *b, struct ssf_str s, struct ssf_err *err)
{
	bool fits = s.len <= b->max - b->len;

	if (ssf_buf_add(b, s.ptr, s.len) == 0)
		return 0;
	if (!fits)
		return ssf_fail(err, SSF_E_LIMIT, "larger than %zu bytes", b->max);
	return ssf_fail(err, SSF_E_NOMEM, "out of memory");
}

int ssf_buf_adds(struct ssf_buf *b, const char *s)
{
	return ssf_buf_add(b, s, strlen(s));
}

int ssf_buf_addc(struct ssf_buf *b, char c)
{
	return ssf_buf_add(b, &c, 1);
}

int ssf_buf_addf(struct ssf_buf *b, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	int len = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	if (len < 0) {
		b->failed = true;
		return -1;
	}
	if (grow(b, (size_t)len) < 0)
		return -1;
	va_start(args, fmt);
	vsnprintf(b->ptr + b->len, (size_t)len + 1, fmt, args);
	va_end(args);
	b->len += (size_t)len;
	return 0;
}

bool ssf_buf_failed(const struct ssf_buf *b)
{
	return b->failed;
}

struct ssf_str ssf_buf_str(const struct ssf_buf *b)
{
	if (b->ptr == NULL)
		return SSF_STR("");
	return (struct ssf_str){ b->ptr, b->len };
}

char *ssf_buf_steal(struct ssf_buf *b)
{
	size_t max = b->max;

	/* an untouched buffer has no memory yet, but its caller is owed a string */
	if (b->ptr == NULL && !b->failed)
		ssf_buf_add(b, "", 0);
	if (b->failed)
		release(b);
	char *bytes = b->ptr;
	ssf_buf_init(b, max);
	return bytes;
}
