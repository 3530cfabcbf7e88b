/* SPDX-License-Identifier: Apache-2.0 */
/* lib/http/server/request_parser: requests of a client; the first byte says where the bytes are cut in two. */
#include "lib/http/server/request_parser.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define HEAD_MAX 600
#define BODY_MAX 300

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
	int refused;
	size_t used;
	enum http_request_next next;
};

static struct outcome feed(struct http_request_parser *p, struct ssf_str in, size_t cut)
{
	struct outcome o = { .next = HTTP_REQUEST_MORE };
	struct ssf_err err;

	http_request_parser_init(p, HEAD_MAX, BODY_MAX);
	while (o.used < in.len && o.next != HTTP_REQUEST_WHOLE) {
		size_t n = o.used < cut ? cut - o.used : in.len - o.used, used;

		if (http_request_parser_feed(p, (struct ssf_str){ in.ptr + o.used, n }, &used, &o.next, &err) < 0) {
			if (p->refused < 400 || p->refused == 503)
				abort();
			o.refused = p->refused;
			return o;
		}
		if (used > n || (used < n && o.next == HTTP_REQUEST_MORE))
			abort();
		o.used += used;
	}
	return o;
}

/* What was taken keeps what the parser promises. */
static void check_message(const struct http_message *m)
{
	if (m->method == NULL || m->head.len > HEAD_MAX || m->body.len > BODY_MAX ||
	    m->path + m->path_len > m->head.len || m->query + m->query_len > m->head.len ||
	    memchr(m->head.ptr, '\0', m->head.len) != NULL)
		abort();
	for (size_t i = 0; i < m->n_fields; i++) {
		const struct http_request_field *f = &m->fields[i];
		if (f->name_len == 0 || f->name + f->name_len > m->head.len ||
		    f->value + f->value_len > m->head.len)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	struct ssf_str in = { (const char *)data + 1, size - 1 };
	size_t cut = data[0] < in.len ? data[0] : in.len;
	struct http_request_parser a, b;
	struct outcome one = feed(&a, in, in.len), two = feed(&b, in, cut);

	if (one.refused != two.refused || (one.refused == 0 && (one.used != two.used || one.next != two.next)))
		abort();
	if (one.next == HTTP_REQUEST_WHOLE && one.refused == 0) {
		check_message(&a.message);
		if (!ssf_str_eq(ssf_buf_str(&a.message.body), ssf_buf_str(&b.message.body)) ||
		    !ssf_str_eq(ssf_buf_str(&a.message.head), ssf_buf_str(&b.message.head)))
			abort();
	}
	http_request_parser_done(&a);
	http_request_parser_done(&b);
	return 0;
}
