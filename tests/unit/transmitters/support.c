/* SPDX-License-Identifier: Apache-2.0 */
/* The watch replaces jansson's allocator: no json_t may live across its start or end. */
#include "support.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

void load_vector(const char *name, struct ssf_buf *out)
{
	char path[512];
	char chunk[4096];
	size_t n;

	snprintf(path, sizeof(path), TESTS_DIR "/vectors/github/%s", name);
	FILE *f = fopen(path, "rb");
	if (f == NULL)
		fail_msg("cannot open %s", path);
	ssf_buf_init(out, 1024 * 1024);
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		assert_int_equal(ssf_buf_add(out, chunk, n), 0);
	fclose(f);
	if (ssf_str_has_suffix(ssf_buf_str(out), "\n"))
		out->len--;
}

/* In front of each block, and as large as malloc() aligns. */
union header {
	size_t size;
	max_align_t align;
};

static const char *watched;
static unsigned unwiped;

static void *watching_malloc(size_t size)
{
	union header *h = malloc(sizeof(*h) + size);

	if (h == NULL)
		return NULL;
	h->size = size;
	return h + 1;
}

static void watching_free(void *p)
{
	if (p == NULL)
		return;
	union header *h = (union header *)p - 1;
	size_t len = strlen(watched);
	if (h->size >= len && memcmp(p, watched, len) == 0)
		unwiped++;
	free(h);
}

void watch_frees(const char *secret)
{
	watched = secret;
	unwiped = 0;
	json_set_alloc_funcs(watching_malloc, watching_free);
}

unsigned unwatch_frees(void)
{
	json_set_alloc_funcs(malloc, free);
	return unwiped;
}
