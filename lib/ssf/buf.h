/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes: struct ssf_str is a borrowed view <pointer, length>, struct ssf_buf
 * owns and grows up to a hard maximum given at init.
 *
 * A buf fails once and stays failed: append functions return -1 from then on
 * and ssf_buf_failed() is true, so a writer may check once at the end. The
 * bytes are always followed by a NUL that does not count, never inside them by
 * construction of the caller. Memory is wiped when released (bufs carry secrets).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ssf_err;

struct ssf_str {
	const char *ptr;
	size_t len;
};

#define SSF_STR(lit) ((struct ssf_str){ (lit), sizeof(lit) - 1 })

struct ssf_str ssf_str_c(const char *s);                 /* NULL gives an empty view */
bool ssf_str_eq(struct ssf_str a, struct ssf_str b);     /* not for secrets */
bool ssf_str_eq_c(struct ssf_str a, const char *b);
bool ssf_str_ieq_c(struct ssf_str a, const char *b);     /* ASCII case-insensitive */
bool ssf_str_has_prefix(struct ssf_str s, const char *prefix);
bool ssf_str_has_suffix(struct ssf_str s, const char *suffix);
bool ssf_utf8_valid(struct ssf_str s);                   /* RFC 3629, no surrogates */
size_t ssf_utf8_prefix(struct ssf_str s);                /* bytes before the first wrong one */
char *ssf_str_dup(struct ssf_str s);                     /* NUL-terminated copy, or NULL */
/* For secrets and MACs: time depends on the lengths only. */
bool ssf_str_eq_secret(struct ssf_str a, struct ssf_str b);

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

/* Lower-case hexadecimal. out has 2 * len + 1 bytes. */
void ssf_hex(const uint8_t *in, size_t len, char *out);
int ssf_hex_value(char c); /* of a digit in either case; -1: it is none */
/* Either case; exactly out_len bytes or -1. */
int ssf_unhex(struct ssf_str in, uint8_t *out, size_t out_len);

#define SSF_SHA256_LEN 32
#define SSF_SHA256_HEX (2 * SSF_SHA256_LEN + 1)
void ssf_sha256(struct ssf_str in, uint8_t out[SSF_SHA256_LEN]);
void ssf_sha256_hex(struct ssf_str in, char out[SSF_SHA256_HEX]);
