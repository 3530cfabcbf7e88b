/* SPDX-License-Identifier: Apache-2.0 */
/* Owns what callers share: the limits, and the memory of verified tokens. */
#include "hub/auth/auth.h"

#include "hub/auth/auth_priv.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void on_resource(void *arg, enum kind kind, const char *id, const json_t *spec)
{
	struct auth *a = arg;

	(void)id;
	(void)spec;
	a->issuers += kind == KIND_ISSUER;
}

int auth_new(const struct auth_conf *conf, struct db *db, struct registry *registry,
	     struct keys *keys, struct jwks *jwks, struct auth **out, struct ssf_err *err)
{
	struct auth *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "auth");
	a->conf = *conf;
	a->db = db;
	a->registry = registry;
	a->keys = keys;
	a->jwks = jwks;
	a->by_client = rate_new(conf->rate_client);
	a->by_address = rate_new(conf->rate_address);
	a->guesses = rate_new(conf->rate_address);
	if (a->by_client == NULL || a->by_address == NULL || a->guesses == NULL) {
		auth_free(a);
		return ssf_fail(err, SSF_E_NOMEM, "auth");
	}
	registry_listen(registry, on_resource, a);
	*out = a;
	return 0;
}

void auth_free(struct auth *a)
{
	if (a == NULL)
		return;
	rate_free(a->by_client);
	rate_free(a->by_address);
	rate_free(a->guesses);
	free(a);
}

/*
 * The last entry is the one that our proxy wrote; those before it are what its client claims. Of several
 * headers nobody knows which one that is in: then none counts.
 */
static struct ssf_str forwarded_for(const struct http_req *req)
{
	struct ssf_str all = http_header(req, "X-Forwarded-For");
	size_t start = all.len;

	if (http_header_count(req, "X-Forwarded-For") > 1)
		return ssf_str_c(NULL);
	while (start > 0 && all.ptr[start - 1] != ',')
		start--;
	while (start < all.len && all.ptr[start] == ' ')
		start++;
	return (struct ssf_str){ all.ptr + start, all.len - start };
}

/* Of IPv6 the network: whoever has one address there has all of them. */
static void address_of(const struct auth *a, const struct http_req *req, char out[64])
{
	struct ssf_str given = a->conf.forwarded_for ? forwarded_for(req) : ssf_str_c(NULL);
	struct in6_addr v6;

	if (given.len == 0)
		given = ssf_str_c(http_peer(req));
	snprintf(out, 64, "%.*s", (int)(given.len < 63 ? given.len : 63), given.ptr);
	if (inet_pton(AF_INET6, out, &v6) == 1 && !IN6_IS_ADDR_V4MAPPED(&v6))
		ssf_hex(v6.s6_addr, 8, out);
}

static int64_t seconds(int64_t ms)
{
	return (ms + 999) / 1000;
}

int64_t auth_rate_address(struct auth *a, const struct http_req *req)
{
	char address[64];

	address_of(a, req, address);
	return seconds(rate_take(a->by_address, address, loop_now_ms()));
}

int64_t auth_rate_client(struct auth *a, const char *client)
{
	return seconds(rate_take(a->by_client, client, loop_now_ms()));
}

int64_t auth_rate_guesses(const struct auth *a, const struct http_req *req)
{
	char address[64];

	address_of(a, req, address);
	return seconds(rate_look(a->guesses, address, loop_now_ms()));
}

void auth_guessed(struct auth *a, const struct http_req *req)
{
	char address[64];

	address_of(a, req, address);
	(void)rate_take(a->guesses, address, loop_now_ms());
}
