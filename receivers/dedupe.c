/* SPDX-License-Identifier: Apache-2.0 */
/* A hash table for finding and a queue in order of age for forgetting, over the same entries. */
#include "receivers/dedupe.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "lib/ssf/buf.h"

#define KEY_MAX 4096 /* of iss and jti together */

struct entry {
	LIST_ENTRY(entry) chain;
	TAILQ_ENTRY(entry) age;
	int64_t added_ms;
	uint8_t key[SSF_SHA256_LEN];
};

LIST_HEAD(chain_head, entry);

struct dedupe {
	size_t max;
	int64_t window_ms;
	size_t n;
	TAILQ_HEAD(, entry) by_age; /* oldest first */
	size_t n_chains;
	struct chain_head chains[];
};

/* -1: longer than anything that passed ssf_set_verify(), so never remembered. */
static int make_key(const char *iss, const char *jti, uint8_t key[SSF_SHA256_LEN])
{
	ssf_auto_buf both = SSF_BUF(KEY_MAX);

	/* With the NUL between them, no two pairs give the same bytes. */
	ssf_buf_add(&both, iss, strlen(iss) + 1);
	ssf_buf_adds(&both, jti);
	if (ssf_buf_failed(&both))
		return -1;
	ssf_sha256(ssf_buf_str(&both), key);
	return 0;
}

static struct chain_head *chain_of(struct dedupe *d, const uint8_t key[SSF_SHA256_LEN])
{
	uint64_t h;

	memcpy(&h, key, sizeof(h));
	return &d->chains[h % d->n_chains];
}

static struct entry *find(struct dedupe *d, const uint8_t key[SSF_SHA256_LEN])
{
	struct entry *e;

	LIST_FOREACH(e, chain_of(d, key), chain) {
		if (memcmp(e->key, key, SSF_SHA256_LEN) == 0)
			return e;
	}
	return NULL;
}

static void forget(struct dedupe *d, struct entry *e)
{
	LIST_REMOVE(e, chain);
	TAILQ_REMOVE(&d->by_age, e, age);
	d->n--;
	free(e);
}

static void forget_old(struct dedupe *d, int64_t now_ms)
{
	struct entry *e;

	while ((e = TAILQ_FIRST(&d->by_age)) != NULL && now_ms - e->added_ms >= d->window_ms)
		forget(d, e);
}

int dedupe_new(size_t max, int64_t window_ms, struct dedupe **out, struct ssf_err *err)
{
	size_t n_chains = max > 0 ? max : 1;
	struct dedupe *d = calloc(1, sizeof(*d) + n_chains * sizeof(d->chains[0]));

	if (d == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "dedupe: out of memory");
	d->max = max;
	d->window_ms = window_ms;
	d->n_chains = n_chains;
	TAILQ_INIT(&d->by_age);
	*out = d;
	return 0;
}

void dedupe_free(struct dedupe *d)
{
	if (d == NULL)
		return;
	while (!TAILQ_EMPTY(&d->by_age))
		forget(d, TAILQ_FIRST(&d->by_age));
	free(d);
}

bool dedupe_seen(struct dedupe *d, const char *iss, const char *jti, int64_t now_ms)
{
	uint8_t key[SSF_SHA256_LEN];

	forget_old(d, now_ms);
	return make_key(iss, jti, key) == 0 && find(d, key) != NULL;
}

void dedupe_add(struct dedupe *d, const char *iss, const char *jti, int64_t now_ms)
{
	uint8_t key[SSF_SHA256_LEN];
	struct entry *e;

	forget_old(d, now_ms);
	if (d->max == 0 || make_key(iss, jti, key) < 0)
		return;
	e = find(d, key);
	if (e != NULL)
		forget(d, e);
	if (d->n == d->max)
		forget(d, TAILQ_FIRST(&d->by_age));
	e = calloc(1, sizeof(*e));
	if (e == NULL)
		return;
	memcpy(e->key, key, sizeof(e->key));
	e->added_ms = now_ms;
	LIST_INSERT_HEAD(chain_of(d, key), e, chain);
	TAILQ_INSERT_TAIL(&d->by_age, e, age);
	d->n++;
}

size_t dedupe_count(const struct dedupe *d)
{
	return d->n;
}
