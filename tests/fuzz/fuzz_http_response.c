/* SPDX-License-Identifier: Apache-2.0 */
/* lib/kit/http_response: an answer of a receiver; the first byte says where it is cut in two. */
#include "lib/http/http_response.h"

#include <stdint.h>
#include <stdlib.h>

#define BODY_MAX 300

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
	int result;
	size_t used;
	enum http_response_next next;
};

static struct outcome feed(struct http_response *a, const char *bytes, size_t size, size_t cut)
{
	struct outcome o = { .next = HTTP_RESPONSE_MORE };
	struct ssf_err err;
	size_t used;

	http_response_init(a, BODY_MAX);
	for (int part = 0; part < 2 && o.next == HTTP_RESPONSE_MORE; part++) {
		size_t from = part == 0 ? 0 : cut, n = part == 0 ? cut : size - cut;
		if (http_response_feed(a, bytes + from, n, &used, &o.next, &err) < 0) {
			o.result = -1;
			return o;
		}
		if (used > n || (used < n && o.next == HTTP_RESPONSE_MORE))
			abort();
		o.used += used;
	}
	return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	const char *bytes = (const char *)data + 1;
	size_t cut = data[0] < size - 1 ? data[0] : size - 1;
	struct http_response a, b;
	struct outcome one = feed(&a, bytes, size - 1, size - 1), two = feed(&b, bytes, size - 1, cut);

	if (one.result != two.result)
		abort();
	if (one.result == 0 && (one.used != two.used || one.next != two.next || a.status != b.status ||
				a.keep != b.keep || a.body.len > BODY_MAX ||
				!ssf_str_eq(ssf_buf_str(&a.body), ssf_buf_str(&b.body))))
		abort();
	http_response_done(&a);
	http_response_done(&b);
	return 0;
}
