/* SPDX-License-Identifier: Apache-2.0 */
/* What the load tools share: a clock, counters that others may read while they run, options, requests. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* CLOCK_MONOTONIC: comparable between processes, and with Python's time.monotonic_ns(). */
int64_t share_now_ns(void);

/* Written by one process; world.py, Counters, knows this layout. */
struct counters {
	_Atomic uint64_t count;       /* requests answered, or answers received */
	_Atomic uint64_t open;        /* connections, or polls that wait */
	_Atomic uint64_t failed;      /* connections lost, answers that were not wanted */
	_Atomic int64_t first_ns;     /* when count left 0; 0: it has not */
	_Atomic int64_t last_ns;      /* when count changed last */
};

/* The counters in the file at path, which is made if it is not there. Never NULL: exits. */
struct counters *share_counters(const char *path);
void share_count(struct counters *c, uint64_t n);

void share_die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

/* The value of "--name VALUE" in argv, or fallback. */
const char *share_option(char **argv, const char *name, const char *fallback);
long share_number(char **argv, const char *name, long fallback);

/* As many descriptors as may be. */
void share_raise_limits(void);

/* Requests that were made before: count slots of stride bytes, each a length and so many bytes. */
struct requests_head {
	char magic[8];
	uint32_t count;
	uint32_t stride;
};
struct requests {
	const char *slots;
	uint32_t count;
	uint32_t stride;
};
#define REQUESTS_MAGIC "ssfreq1"
void share_requests(const char *path, struct requests *out);
const char *share_request(const struct requests *r, uint32_t i, size_t *len);
