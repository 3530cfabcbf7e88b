/* SPDX-License-Identifier: Apache-2.0 */
/*
 * struct ssf_str: a borrowed view <pointer, length> of bytes, not ended by NUL. Comparisons, UTF-8, hexadecimal
 * and SHA-256 of views.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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
struct ssf_str ssf_str_trim(struct ssf_str s);           /* without spaces and tabs around it */
bool ssf_utf8_valid(struct ssf_str s);                   /* RFC 3629, no surrogates */
size_t ssf_utf8_prefix(struct ssf_str s);                /* bytes before the first wrong one */
char *ssf_str_dup(struct ssf_str s);                     /* NUL-terminated copy, or NULL */
/* For secrets and MACs: time depends on the lengths only. */
bool ssf_str_eq_secret(struct ssf_str a, struct ssf_str b);

/* Lower-case hexadecimal. out has 2 * len + 1 bytes. */
void ssf_hex(const uint8_t *in, size_t len, char *out);
int ssf_hex_value(char c); /* of a digit in either case; -1: it is none */
/* Either case; exactly out_len bytes or -1. */
int ssf_unhex(struct ssf_str in, uint8_t *out, size_t out_len);

#define SSF_SHA256_LEN 32
#define SSF_SHA256_HEX (2 * SSF_SHA256_LEN + 1)
void ssf_sha256(struct ssf_str in, uint8_t out[SSF_SHA256_LEN]);
void ssf_sha256_hex(struct ssf_str in, char out[SSF_SHA256_HEX]);
