/* SPDX-License-Identifier: Apache-2.0 */
#include "hub/keys/set_claims.h"

#include "lib/ssf/jws.h"
#include "lib/ssf/set.h"

#include <stdlib.h>

#define SLOTS 64

struct shared_claims {
	int64_t seq;
	struct ssf_buf text; /* empty: the slot is free */
};

struct set_claims {
	const char *issuer;
	struct shared_claims shared[SLOTS];
};

struct set_claims *set_claims_new(const char *issuer)
{
	struct set_claims *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->issuer = issuer;
	for (size_t i = 0; i < SLOTS; i++)
		ssf_buf_init(&c->shared[i].text, SSF_JWS_MAX / 2);
	return c;
}

void set_claims_free(struct set_claims *c)
{
	for (size_t i = 0; c != NULL && i < SLOTS; i++)
		ssf_buf_done(&c->shared[i].text);
	free(c);
}

static int compose_shared(const struct set_claims *c, const struct event *e, struct shared_claims *out,
			  struct ssf_err *err)
{
	const struct ssf_set_spec spec = {
		.iss = c->issuer,
		.txn = e->txn,
		.iat = e->at_ms / 1000,
		.sub_id = e->sub_id,
		.event_uri = e->type,
		.event_claims = e->body,
	};

	ssf_buf_reset(&out->text);
	if (ssf_set_compose_shared(&spec, &out->text, err) < 0) {
		ssf_buf_reset(&out->text);
		return -1;
	}
	out->seq = e->seq;
	return 0;
}

int set_claims_compose(struct set_claims *c, const struct event *e, const char *audience, const char *jti,
		       struct ssf_buf *out, struct ssf_err *err)
{
	struct shared_claims *shared = &c->shared[(uint64_t)e->seq % SLOTS];

	if ((shared->text.len == 0 || shared->seq != e->seq) && compose_shared(c, e, shared, err) < 0)
		return -1;
	return ssf_set_compose_for(ssf_buf_str(&shared->text), audience, jti, out, err);
}
