/* SPDX-License-Identifier: Apache-2.0 */
/* Owns the three tables of buckets and decides what counts as the address of a request. */
#include "hub/auth/rate_limits.h"

#include "lib/kit/rate.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <stdio.h>
#include <stdlib.h>

#define ADDRESS_LEN 64

struct rate_limits {
	bool forwarded_for;
	struct rate *clients, *addresses, *failed_tokens;
};

int rate_limits_new(const struct rate_limits_conf *conf, struct rate_limits **out,
		    struct ssf_err *err)
{
	struct rate_limits *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "rate limits");
	l->forwarded_for = conf->forwarded_for;
	l->clients = rate_new(conf->client);
	l->addresses = rate_new(conf->address);
	l->failed_tokens = rate_new(conf->address);
	if (l->clients == NULL || l->addresses == NULL || l->failed_tokens == NULL) {
		rate_limits_free(l);
		return ssf_fail(err, SSF_E_NOMEM, "rate limits");
	}
	*out = l;
	return 0;
}

void rate_limits_free(struct rate_limits *l)
{
	if (l == NULL)
		return;
	rate_free(l->clients);
	rate_free(l->addresses);
	rate_free(l->failed_tokens);
	free(l);
}

/*
 * The last entry of X-Forwarded-For is the one that the operator's proxy wrote; the entries before it
 * are what the client claims. With several headers it is unknown which one the proxy wrote: none counts.
 */
static struct ssf_str forwarded_address(const struct http_req *req)
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

/* IPv6 counts by /64 network: a subscriber has all addresses of one. */
static void address_of(const struct rate_limits *l, const struct http_req *req, char out[ADDRESS_LEN])
{
	struct ssf_str given = l->forwarded_for ? forwarded_address(req) : ssf_str_c(NULL);
	struct in6_addr v6;

	if (given.len == 0)
		given = ssf_str_c(http_peer(req));
	snprintf(out, ADDRESS_LEN, "%.*s",
		 (int)(given.len < ADDRESS_LEN - 1 ? given.len : ADDRESS_LEN - 1), given.ptr);
	if (inet_pton(AF_INET6, out, &v6) == 1 && !IN6_IS_ADDR_V4MAPPED(&v6))
		ssf_hex(v6.s6_addr, 8, out);
}

static int64_t whole_seconds(int64_t ms)
{
	return (ms + 999) / 1000;
}

int64_t rate_limits_take_address(struct rate_limits *l, const struct http_req *req)
{
	char address[ADDRESS_LEN];

	address_of(l, req, address);
	return whole_seconds(rate_take(l->addresses, address, loop_now_ms()));
}

int64_t rate_limits_take_client(struct rate_limits *l, const char *client)
{
	return whole_seconds(rate_take(l->clients, client, loop_now_ms()));
}

int64_t rate_limits_lockout(const struct rate_limits *l, const struct http_req *req)
{
	char address[ADDRESS_LEN];

	address_of(l, req, address);
	return whole_seconds(rate_look(l->failed_tokens, address, loop_now_ms()));
}

void rate_limits_count_failed_token(struct rate_limits *l, const struct http_req *req)
{
	char address[ADDRESS_LEN];

	address_of(l, req, address);
	(void)rate_take(l->failed_tokens, address, loop_now_ms());
}
