/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits on requests: by address, by client, and on wrong tokens by address. Each process counts for
 * itself. Limits never depend on whether a token was right, or they would help to guess one.
 */
#pragma once

#include "lib/http/http_server.h"

struct rate_limits;

struct rate_limits_conf {
	int64_t client;     /* requests a second of one client; 0: no limit */
	int64_t address;    /* requests a second of one address, and wrong tokens a second of one address */
	bool forwarded_for; /* the operator's proxy names the address in X-Forwarded-For */
};

ssf_nodiscard int rate_limits_new(const struct rate_limits_conf *conf, struct rate_limits **out,
				  struct ssf_err *err);
void rate_limits_free(struct rate_limits *l); /* NULL is fine */

/* Count one request. 0: allowed; else the seconds after which the caller may try again. */
int64_t rate_limits_take_address(struct rate_limits *l, const struct http_req *req);
int64_t rate_limits_take_client(struct rate_limits *l, const char *client);

/*
 * For routes that do not rate-limit before authentication: only failed tokens count. Returns 0, or the
 * seconds this address is locked out. Valid tokens are refused too while it is, or the lockout would
 * not slow down guessing.
 */
int64_t rate_limits_lockout(const struct rate_limits *l, const struct http_req *req);
void rate_limits_count_failed_token(struct rate_limits *l, const struct http_req *req);
