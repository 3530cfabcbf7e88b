/* SPDX-License-Identifier: Apache-2.0 */
/* The watch replaces jansson's allocator: no json_t may live across its start or end. */
#include "tests/unit/transmitters/support.h"

#include "lib/ssf/json.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct ssf_str header_of(const void *arg, const char *name)
{
	for (const struct test_header *h = arg; h->name != NULL; h++) {
		if (strcasecmp(h->name, name) == 0)
			return h->value;
	}
	return (struct ssf_str){ NULL, 0 };
}

struct adapter_request test_request(const struct test_header *headers, struct ssf_str body)
{
	return (struct adapter_request){ .method = "POST", .path = "", .header = header_of,
					 .arg = headers, .body = body };
}

int test_map(const struct source_adapter *a, const struct adapter_request *r,
	     struct signal_list *signals, struct ssf_err *err)
{
	struct adapter_reply reply = { .body = SSF_BUF(1024) };
	const struct adapter_route *route;

	assert_int_equal(adapter_find_route(a, r->method, r->path, &route, err), 0);
	int result = route->map(r, NULL, signals, &reply, err);
	assert_int_equal(reply.status, 0);
	return result;
}

int test_authenticate(const struct source_adapter *a, const struct adapter_request *r,
		      const struct ssf_str *secrets, size_t count, struct ssf_err *err)
{
	struct adapter_credentials c = { .secret_count = count };

	for (size_t i = 0; i < count; i++)
		c.secrets[i] = (struct adapter_secret){ "any", secrets[i] };
	return a->authenticate(r, &c, err);
}

void assert_json(const json_t *got, const char *expected)
{
	json_auto_t *wanted = json_loads(expected, JSON_REJECT_DUPLICATES, NULL);

	assert_non_null(wanted);
	if (!json_equal(got, wanted)) {
		ssf_auto_free char *text = ssf_json_canonical(got);
		fail_msg("got %s\nwanted %s", text, expected);
	}
}

void load_vector(const char *name, struct ssf_buf *out)
{
	char path[512];
	char chunk[4096];
	size_t n;

	snprintf(path, sizeof(path), TESTS_DIR "/vectors/%s", name);
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
