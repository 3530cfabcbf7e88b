/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/share.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

int64_t share_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

void share_die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

struct counters *share_counters(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	void *at;

	if (fd < 0 || ftruncate(fd, sizeof(struct counters)) < 0)
		share_die("%s: %s", path, strerror(errno));
	at = mmap(NULL, sizeof(struct counters), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		share_die("%s: %s", path, strerror(errno));
	close(fd);
	return at;
}

void share_count(struct counters *c, uint64_t n)
{
	int64_t now = share_now_ns();

	if (atomic_load_explicit(&c->first_ns, memory_order_relaxed) == 0)
		atomic_store_explicit(&c->first_ns, now, memory_order_relaxed);
	atomic_store_explicit(&c->last_ns, now, memory_order_relaxed);
	/* one writer; whoever sees the count sees its time */
	atomic_store_explicit(&c->count, atomic_load_explicit(&c->count, memory_order_relaxed) + n,
			      memory_order_release);
}

const char *share_option(char **argv, const char *name, const char *fallback)
{
	for (char **arg = argv + 1; arg[0] != NULL && arg[1] != NULL; arg++) {
		if (strncmp(arg[0], "--", 2) == 0 && strcmp(arg[0] + 2, name) == 0)
			return arg[1];
	}
	return fallback;
}

long share_number(char **argv, const char *name, long fallback)
{
	const char *text = share_option(argv, name, NULL);
	char *end;
	long value = text != NULL ? strtol(text, &end, 10) : fallback;

	if (text != NULL && (*text == '\0' || *end != '\0'))
		share_die("--%s: not a number", name);
	return value;
}

void share_raise_limits(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	if (limit.rlim_max < 65536 && geteuid() == 0) {
		struct rlimit more = { 65536, 65536 };
		if (setrlimit(RLIMIT_NOFILE, &more) == 0)
			return;
	}
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

void share_requests(const char *path, struct requests *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	const struct requests_head *head;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || (size_t)st.st_size < sizeof(*head))
		share_die("%s: cannot be used", path);
	head = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (head == MAP_FAILED || memcmp(head->magic, REQUESTS_MAGIC, sizeof(REQUESTS_MAGIC)) != 0 ||
	    head->stride < sizeof(uint32_t) ||
	    (size_t)st.st_size != sizeof(*head) + (size_t)head->count * head->stride)
		share_die("%s: not a file of requests", path);
	close(fd);
	*out = (struct requests){ (const char *)(head + 1), head->count, head->stride };
}

const char *share_request(const struct requests *r, uint32_t i, size_t *len)
{
	const char *slot = r->slots + (size_t)i * r->stride;
	uint32_t n;

	memcpy(&n, slot, sizeof(n));
	*len = n < r->stride - sizeof(n) ? n : r->stride - sizeof(n);
	return slot + sizeof(n);
}
