/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sends one batch at a time. Each removes the keys that the scan of the batch before has found,
 * and ends with the next scan, so that a step costs one round trip.
 */
#include "receivers/sinks/redis/purge.h"

#include "lib/kit/loop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEYS_A_COMMAND 256
#define SCAN_COUNT "512"
#define CURSOR_MAX 32
#define PURGE_MAX_MS 60000

/* KEYS: the index set, then members. */
static const char unindex_script[] = "local members = {unpack(KEYS, 2)}\n"
				     "redis.call('SREM', KEYS[1], unpack(members))\n"
				     "return redis.call('UNLINK', unpack(members))\n";

/* Returns a status, not an integer, so that it does not count as a removed key. */
static const char mark_script[] =
	"local value, ttl = ARGV[1], ARGV[2]\n"
	"local old = redis.call('GET', KEYS[1])\n"
	"local left = redis.call('TTL', KEYS[1])\n"
	"if (tonumber(old) or -1) > tonumber(value) then value = old end\n"
	"if left > tonumber(ttl) then ttl = left end\n"
	"return redis.call('SET', KEYS[1], value, 'EX', ttl)\n";

struct purge {
	struct redis *redis;
	struct purge_plan plan;
	purge_done_f *done;
	void *arg;
	struct redis_op *op;
	size_t walk;             /* which index set, and then which pattern, is being scanned */
	char cursor[CURSOR_MAX]; /* where its scan goes on; "0" at the start of each */
	int64_t removed;
	int64_t give_up_ms;
};

static void on_batch(void *arg, const struct redis_result *result, const struct ssf_err *err);

static bool walk_is_set(const struct purge *p)
{
	return p->walk < p->plan.index_sets.count;
}

static bool walk_is_over(const struct purge *p)
{
	return p->walk >= p->plan.index_sets.count + p->plan.patterns.count;
}

static const char *walk_name(const struct purge *p)
{
	return walk_is_set(p) ? p->plan.index_sets.list[p->walk]
			      : p->plan.patterns.list[p->walk - p->plan.index_sets.count];
}

static int add_marks(const struct purge *p, struct redis_batch *b, struct ssf_err *err)
{
	for (size_t i = 0; i < p->plan.mark_count; i++) {
		const struct purge_plan_mark *mark = &p->plan.marks[i];
		char ttl[24];

		snprintf(ttl, sizeof(ttl), "%lld", (long long)mark->ttl_s);
		const struct ssf_str args[] = {
			SSF_STR("EVAL"),      SSF_STR(mark_script),   SSF_STR("1"),
			ssf_str_c(mark->key), ssf_str_c(mark->value), ssf_str_c(ttl),
		};
		if (redis_batch_add(b, SSF_ARRAY_SIZE(args), args, err) < 0)
			return -1;
	}
	return 0;
}

static int add_keys(const struct purge *p, struct redis_batch *b, struct ssf_err *err)
{
	for (size_t i = 0; i < p->plan.keys.count; i++) {
		const struct ssf_str args[] = { SSF_STR("UNLINK"),
						ssf_str_c(p->plan.keys.list[i]) };

		if (redis_batch_add(b, SSF_ARRAY_SIZE(args), args, err) < 0)
			return -1;
	}
	return 0;
}

static int add_removal(const struct purge *p, const struct ssf_str *keys, size_t n,
		       struct redis_batch *b, struct ssf_err *err)
{
	struct ssf_str args[4 + KEYS_A_COMMAND];
	char n_keys[24];
	size_t head = 0;

	if (walk_is_set(p)) {
		args[head++] = SSF_STR("EVAL");
		args[head++] = SSF_STR(unindex_script);
		snprintf(n_keys, sizeof(n_keys), "%zu", n + 1);
		args[head++] = ssf_str_c(n_keys);
		args[head++] = ssf_str_c(walk_name(p));
	} else {
		args[head++] = SSF_STR("UNLINK");
	}
	memcpy(args + head, keys, n * sizeof(keys[0]));
	return redis_batch_add(b, head + n, args, err);
}

static int add_found(const struct purge *p, const struct redis_result *found, struct redis_batch *b,
		     struct ssf_err *err)
{
	for (size_t i = 0; i < found->n_keys; i += KEYS_A_COMMAND) {
		size_t n = found->n_keys - i;

		if (n > KEYS_A_COMMAND)
			n = KEYS_A_COMMAND;
		if (add_removal(p, found->keys + i, n, b, err) < 0)
			return -1;
	}
	return 0;
}

static int add_scan(const struct purge *p, struct redis_batch *b, struct ssf_err *err)
{
	const struct ssf_str name = ssf_str_c(walk_name(p));
	const struct ssf_str cursor = ssf_str_c(p->cursor);
	const struct ssf_str set[] = { SSF_STR("SSCAN"), name, cursor, SSF_STR("COUNT"),
				       SSF_STR(SCAN_COUNT) };
	const struct ssf_str all[] = { SSF_STR("SCAN"),	 cursor,
				       SSF_STR("MATCH"), name,
				       SSF_STR("COUNT"), SSF_STR(SCAN_COUNT) };

	return walk_is_set(p) ? redis_batch_add(b, SSF_ARRAY_SIZE(set), set, err)
			      : redis_batch_add(b, SSF_ARRAY_SIZE(all), all, err);
}

static void purge_free(struct purge *p)
{
	redis_cancel(p->op);
	purge_plan_done(&p->plan);
	free(p);
}

static void purge_end(struct purge *p, const struct ssf_err *err)
{
	purge_done_f *done = p->done;
	void *arg = p->arg;
	int64_t removed = p->removed;

	purge_free(p);
	done(arg, removed, err);
}

/* Moves to the cursor that the scan returned. */
static int advance(struct purge *p, const struct redis_result *result, struct ssf_err *err)
{
	if (result->cursor.len == 0 || result->cursor.len >= sizeof(p->cursor))
		return ssf_fail(err, SSF_E_INTERNAL, "redis: a scan was answered without a cursor");
	memcpy(p->cursor, result->cursor.ptr, result->cursor.len);
	p->cursor[result->cursor.len] = '\0';
	if (strcmp(p->cursor, "0") == 0)
		p->walk++;
	return 0;
}

/* found: the answer to the scan before, or NULL when there was none. */
static int send_next(struct purge *p, const struct redis_result *found, bool *over,
		     struct ssf_err *err)
{
	ssf_auto(redis_batch) b = redis_batch_new();
	bool work = found == NULL || found->n_keys > 0;

	if (b == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "purge: out of memory");
	if (found == NULL) {
		if (add_marks(p, b, err) < 0 || add_keys(p, b, err) < 0)
			return -1;
	} else if (add_found(p, found, b, err) < 0 || advance(p, found, err) < 0) {
		return -1;
	}
	*over = walk_is_over(p) && !work;
	if (*over)
		return 0;
	if (!walk_is_over(p) && add_scan(p, b, err) < 0)
		return -1;
	return redis_start(p->redis, b, on_batch, p, &p->op, err);
}

static void on_batch(void *arg, const struct redis_result *result, const struct ssf_err *err)
{
	struct purge *p = arg;
	struct ssf_err why;
	bool over = true;

	p->op = NULL;
	if (err != NULL) {
		purge_end(p, err);
		return;
	}
	p->removed += result->sum;
	if (walk_is_over(p)) {
		purge_end(p, NULL);
		return;
	}
	if (loop_now_ms() > p->give_up_ms) {
		ssf_fail(&why, SSF_E_TIMEOUT, "purge: not finished in time");
		purge_end(p, &why);
		return;
	}
	if (send_next(p, result, &over, &why) < 0)
		purge_end(p, &why);
	else if (over)
		purge_end(p, NULL);
}

int purge_start(struct redis *redis, struct purge_plan *plan, purge_done_f *done, void *arg,
		struct purge **out, struct ssf_err *err)
{
	struct purge *p = calloc(1, sizeof(*p));
	bool over;

	if (p == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "purge: out of memory");
	p->redis = redis;
	p->done = done;
	p->arg = arg;
	p->cursor[0] = '0';
	p->give_up_ms = loop_now_ms() + PURGE_MAX_MS;
	p->plan = *plan;
	if (send_next(p, NULL, &over, err) < 0) {
		free(p); /* the plan stays the caller's */
		return -1;
	}
	*plan = (struct purge_plan){ 0 };
	*out = p;
	return 0;
}

void purge_cancel(struct purge *p)
{
	if (p != NULL)
		purge_free(p);
}
