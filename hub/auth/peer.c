/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stamp is "SECONDS.HEX": the time it was made, and the HMAC of that time and of the signed parts. Each
 * part is preceded by its length, so that no two requests have the same signed text.
 */
#include "hub/auth/peer.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LABEL "ssfhub peer 1"
#define WINDOW_S 30
#define MAC_LEN SSF_SHA256_LEN

int peer_key(const struct master_key *master, uint8_t out[DERIVED_KEY_LEN], struct ssf_err *err)
{
	return master_key_derive(master, LABEL, out, err);
}

static void add_part(struct ssf_buf *b, struct ssf_str part)
{
	ssf_buf_addf(b, "%zu:", part.len);
	ssf_buf_add(b, part.ptr, part.len);
}

static int mac(const uint8_t key[DERIVED_KEY_LEN], const struct peer_request *r, int64_t at_s,
	       uint8_t out[MAC_LEN], struct ssf_err *err)
{
	ssf_auto_buf text = SSF_BUF(256 * 1024);
	uint8_t digest[SSF_SHA256_LEN];
	unsigned len = MAC_LEN;

	ssf_sha256(r->body, digest);
	ssf_buf_addf(&text, "%lld:", (long long)at_s);
	add_part(&text, ssf_str_c(r->to));
	add_part(&text, ssf_str_c(r->method));
	add_part(&text, r->target);
	add_part(&text, ssf_str_c(r->caller));
	add_part(&text, r->content_type);
	add_part(&text, r->if_match);
	add_part(&text, (struct ssf_str){ (const char *)digest, sizeof(digest) });
	if (ssf_buf_failed(&text) || HMAC(EVP_sha256(), key, DERIVED_KEY_LEN, (const uint8_t *)text.ptr, text.len, out,
				&len) == NULL)
		return ssf_fail(err, SSF_E_INTERNAL, "peer: cannot sign the request");
	return 0;
}

int peer_stamp(const uint8_t key[DERIVED_KEY_LEN], const struct peer_request *r, int64_t now_s,
	       char out[PEER_STAMP_LEN], struct ssf_err *err)
{
	uint8_t digest[MAC_LEN];
	char hex[2 * MAC_LEN + 1];

	if (mac(key, r, now_s, digest, err) < 0)
		return -1;
	ssf_hex(digest, sizeof(digest), hex);
	snprintf(out, PEER_STAMP_LEN, "%lld.%s", (long long)now_s, hex);
	return 0;
}

int peer_check(const uint8_t key[DERIVED_KEY_LEN], const struct peer_request *r, int64_t now_s,
	       struct ssf_str stamp, struct ssf_err *err)
{
	uint8_t expected[MAC_LEN], given[MAC_LEN];
	char text[PEER_STAMP_LEN];
	char *dot;
	int64_t at_s;

	if (stamp.len >= sizeof(text))
		return ssf_fail(err, SSF_E_UNAUTHENTICATED, "not from a process of this hub");
	memcpy(text, stamp.ptr, stamp.len);
	text[stamp.len] = '\0';
	at_s = strtoll(text, &dot, 10);
	if (dot == text || *dot != '.' || strlen(dot + 1) != 2 * MAC_LEN ||
	    ssf_unhex(ssf_str_c(dot + 1), given, sizeof(given)) < 0 || at_s < now_s - WINDOW_S ||
	    at_s > now_s + WINDOW_S || mac(key, r, at_s, expected, NULL) < 0 ||
	    CRYPTO_memcmp(expected, given, sizeof(given)) != 0)
		return ssf_fail(err, SSF_E_UNAUTHENTICATED, "not from a process of this hub");
	return 0;
}

void peer_caller_format(const struct caller *caller, char out[PEER_CALLER_LEN])
{
	if (caller->admin)
		snprintf(out, PEER_CALLER_LEN, "admin");
	else
		snprintf(out, PEER_CALLER_LEN, "%u %s", caller->perms, caller->client);
}

int peer_caller_parse(struct ssf_str text, struct caller *out)
{
	char copy[PEER_CALLER_LEN];
	unsigned long perms;
	char *blank;

	if (text.len >= sizeof(copy))
		return -1;
	memcpy(copy, text.ptr, text.len);
	copy[text.len] = '\0';
	memset(out, 0, sizeof(*out));
	out->admin = strcmp(copy, "admin") == 0;
	if (out->admin)
		return 0;
	perms = strtoul(copy, &blank, 10);
	if (blank == copy || *blank != ' ' || blank[1] == '\0' || strlen(blank + 1) >= sizeof(out->client))
		return -1;
	out->perms = (unsigned)perms;
	snprintf(out->client, sizeof(out->client), "%s", blank + 1);
	return 0;
}
