/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which certificates an outgoing connection trusts: the system's, and those of a file beside them. They are
 * read once, not with a connection: a system's bundle takes OpenSSL 3.0 some 45 ms, in which nothing else
 * would be sent. Files that have changed are read again when the next connection begins.
 */
#pragma once

#include <openssl/types.h>

#include "lib/ssf/err.h"

struct ca_store;

/*
 * ca_file: PEM, or NULL: the system's alone. It is looked into at once: SSF_E_NOT_FOUND, SSF_E_LIMIT (256 KiB),
 * SSF_E_MALFORMED (no certificate in it). The system's are read with ca_store_load(), or the first connection.
 */
ssf_nodiscard int ca_store_new(const char *ca_file, struct ca_store **out, struct ssf_err *err);
void ca_store_free(struct ca_store *t); /* NULL is fine */

void ca_store_load(struct ca_store *t);
/* For a new connection; 0, or -1: out of memory. */
ssf_nodiscard int ca_store_use(struct ca_store *t, SSL_CTX *ctx);
