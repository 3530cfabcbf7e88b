/* SPDX-License-Identifier: Apache-2.0 */
/* A hash map to find entries, and a queue in order of age to forget them. */
#include "receivers/lib/dedupe.h"

#include "lib/kit/hashmap.h"
#include "lib/ssf/buf.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define KEY_MAX 4096 /* of iss and jti together */

struct entry {
	TAILQ_ENTRY(entry) age;
	int64_t added_ms;
	uint8_t key[SSF_SHA256_LEN];
};

struct dedupe {
	size_t max;
	int64_t window_ms;
	TAILQ_HEAD(, entry) by_age; /* oldest first */
	struct hashmap by_key;      /* of struct entry * */
};

static struct ssf_str key_of(const void *at)
{
	const struct entry *const *e = at;

	return (struct ssf_str){ (const char *)(*e)->key, SSF_SHA256_LEN };
}

static const struct hashmap_type entry_type = {
	.size = sizeof(struct entry *),
	.key = key_of,
	.digests = true,
};

/* -1: longer than anything that ssf_set_verify() accepts, so never remembered. */
static int make_key(const char *iss, const char *jti, uint8_t key[SSF_SHA256_LEN])
{
	ssf_auto_buf both = SSF_BUF(KEY_MAX);

	/* with the NUL between them, no two pairs give the same bytes */
	ssf_buf_add(&both, iss, strlen(iss) + 1);
	ssf_buf_adds(&both, jti);
	if (ssf_buf_failed(&both))
		return -1;
	ssf_sha256(ssf_buf_str(&both), key);
	return 0;
}

static struct entry *find(const struct dedupe *d, const uint8_t key[SSF_SHA256_LEN])
{
	const struct ssf_str view = { (const char *)key, SSF_SHA256_LEN };
	struct entry **at = hashmap_find(&d->by_key, view);

	return at == NULL ? NULL : *at;
}

static void forget(struct dedupe *d, struct entry *e)
{
	hashmap_remove(&d->by_key, hashmap_find(&d->by_key, key_of(&e)));
	TAILQ_REMOVE(&d->by_age, e, age);
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
	struct dedupe *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "dedupe: out of memory");
	d->max = max;
	d->window_ms = window_ms;
	d->by_key = HASHMAP(&entry_type);
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
	hashmap_done(&d->by_key);
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
	struct entry *e, **at;
	uint8_t key[SSF_SHA256_LEN];
	bool is_new;

	forget_old(d, now_ms);
	if (d->max == 0 || make_key(iss, jti, key) < 0)
		return;
	e = find(d, key);
	if (e != NULL)
		forget(d, e);
	if (d->by_key.count == d->max)
		forget(d, TAILQ_FIRST(&d->by_age));
	e = calloc(1, sizeof(*e));
	if (e == NULL)
		return;
	memcpy(e->key, key, sizeof(e->key));
	e->added_ms = now_ms;
	at = hashmap_put(&d->by_key, key_of(&e), &is_new);
	if (at == NULL) {
		free(e);
		return;
	}
	*at = e;
	TAILQ_INSERT_TAIL(&d->by_age, e, age);
}

size_t dedupe_count(const struct dedupe *d)
{
	return d->by_key.count;
}
