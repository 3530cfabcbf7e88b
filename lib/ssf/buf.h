/* SPDX-License-Identifier: Apache-2.0 */
/*
 * struct ssf_buf owns bytes and grows up to a hard maximum given at init.
 *
 * A buf fails once and stays failed: append functions return -1 from then on
 * and ssf_buf_failed() is true, so a writer may check once at the end. The
 * bytes are always followed by a NUL that does not count, never inside them by
 * construction of the caller. Memory is wiped when released (bufs carry secrets).
 */
#pragma once

#include "lib/ssf/str.h"

struct ssf_err;

struct ssf_buf {
	char *ptr;
	size_t len;
	size_t cap;
	size_t max;
	bool failed;
};

void ssf_buf_init(struct ssf_buf *b, size_t max);
void ssf_buf_done(struct ssf_buf *b);                    /* no-op on zeroed memory */
void ssf_buf_reset(struct ssf_buf *b);                   /* keeps memory, clears failure */
int ssf_buf_reserve(struct ssf_buf *b, size_t len);       /* room for so much more, at once */
int ssf_buf_add(struct ssf_buf *b, const void *bytes, size_t len);
/* The same with the reason: SSF_E_LIMIT or SSF_E_NOMEM. */
int ssf_buf_append(struct ssf_buf *b, struct ssf_str s, struct ssf_err *err);
int ssf_buf_adds(struct ssf_buf *b, const char *s);
int ssf_buf_addc(struct ssf_buf *b, char c);
int ssf_buf_addf(struct ssf_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool ssf_buf_failed(const struct ssf_buf *b);
struct ssf_str ssf_buf_str(const struct ssf_buf *b);     /* borrowed until the next change */
char *ssf_buf_steal(struct ssf_buf *b);                  /* caller frees; NULL if failed */

/* ssf_auto_buf b = SSF_BUF(limit); -- initialized where it is declared, as every early return needs. */
#define SSF_BUF(limit) ((struct ssf_buf){ .max = (limit) })
#define ssf_auto_buf __attribute__((cleanup(ssf_buf_done))) struct ssf_buf
