/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The master key of a hub (DIR/master.key: 32 random bytes in hex, mode 0600) and its two uses: sealing
 * secrets before they are stored (AES-256-GCM with a random nonce, bound to where the secret belongs),
 * and deriving further keys (HKDF-SHA256).
 */
#pragma once

#include "lib/ssf/attr.h"
#include "lib/ssf/buf.h"
#include "lib/ssf/err.h"

struct master_key;

/* Reads the file, or makes it if it does not exist. SSF_E_DENIED: others may read the file. */
ssf_nodiscard int master_key_open(const char *path, struct master_key **out, struct ssf_err *err);
void master_key_free(struct master_key *k);
SSF_DEFINE_AUTO(master_key)

/* Appends base64 text. context names the place ("source/gh/secret"); unseal() needs the same one. */
ssf_nodiscard int seal(const struct master_key *k, const char *context, struct ssf_str secret,
		       struct ssf_buf *out, struct ssf_err *err);
/* SSF_E_KEY: sealed under another key or context, or changed since. */
ssf_nodiscard int unseal(const struct master_key *k, const char *context, struct ssf_str sealed,
			 struct ssf_buf *out, struct ssf_err *err);

#define DERIVED_KEY_LEN 32
ssf_nodiscard int master_key_derive(const struct master_key *k, const char *label,
				    uint8_t out[DERIVED_KEY_LEN], struct ssf_err *err);
