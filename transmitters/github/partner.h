/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GitHub's secret scanning partner program (docs.github.com, "Secret scanning partner
 * program"): a JSON array of leaked tokens, signed with ECDSA P-256 and SHA-256 over the
 * raw body by a key that GitHub publishes.
 */
#pragma once

#include "transmitters/signal.h"

#define GITHUB_PARTNER_MAX (4 * 1024 * 1024) /* of a body; GitHub names no cap */
#define GITHUB_PARTNER_MAX_TOKENS 1000

/* GitHub's published keys: {"public_keys":[{"key_identifier","key","is_current"}]}; at most 64. */
struct github_keys;
ssf_nodiscard int github_keys_parse(struct ssf_str doc, struct github_keys **out,
				    struct ssf_err *err);
void github_keys_free(struct github_keys *keys);
SSF_DEFINE_AUTO(github_keys)
size_t github_keys_count(const struct github_keys *keys);
bool github_keys_has(const struct github_keys *keys, struct ssf_str id);

/*
 * Verifies signature (base64 of DER, standard alphabet) over the raw body with the key named id.
 * SSF_E_UNAUTHENTICATED: unknown id, malformed or wrong signature.
 */
ssf_nodiscard int github_partner_verify(const struct github_keys *keys, struct ssf_str id,
					struct ssf_str signature, struct ssf_str body,
					struct ssf_err *err);

/*
 * The signals of a verified report, one a token, in order, type "secret.leaked", with the
 * fingerprint set and the token wiped from memory that this function owns. ids are
 * "<sha256 of the body>.<index>". detail: {"provider":"github","via":"partner",
 * "secret_type","url","source" (lower case),"fingerprint" (hex)}.
 */
ssf_nodiscard int github_partner_map(struct ssf_str body, struct signal_list *out,
				     struct ssf_err *err);

/* The optional labelled answer: one member a signal; known[i] says whether we have that token. */
ssf_nodiscard int github_partner_answer(const struct signal_list *signals, const bool *known,
					struct ssf_buf *out, struct ssf_err *err);
