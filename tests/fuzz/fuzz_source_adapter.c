/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every source adapter of adapters.def, with everything that reaches it from outside. An input is
 *
 *     TYPE PART
 *     Header: value
 *
 *     body
 *
 * with the type of the source and one of these parts:
 *
 *     request  a request of the source: handshake, authentication, signals, answer
 *     keys     the body is the document of keys, the headers those of a request with body "[]"
 *     call     the body is the detail of a stored signal, about which the vendor is asked
 *     answer   the body is the vendor's answer to that
 *
 * Name seeds TYPE-WHATEVER; an adapter has at least five.
 */
#include "transmitters/adapter.h"

#include "lib/ssf/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEADERS_MAX 16
#define SIGNALS_MAX 1000
#define REPLY_MAX (1024 * 1024)

struct headers {
	struct ssf_str names[HEADERS_MAX], values[HEADERS_MAX];
	size_t count;
};

/* Takes a line off the input; false at its end. */
static bool next_line(struct ssf_str *in, struct ssf_str *line)
{
	const char *end = in->len > 0 ? memchr(in->ptr, '\n', in->len) : NULL;

	if (end == NULL)
		return false;
	*line = (struct ssf_str){ in->ptr, (size_t)(end - in->ptr) };
	in->ptr += line->len + 1;
	in->len -= line->len + 1;
	return true;
}

/* The lines up to the first empty one; in is what follows it. */
static void read_headers(struct ssf_str *in, struct headers *out)
{
	struct ssf_str line;

	while (next_line(in, &line) && line.len > 0) {
		const char *colon = memmem(line.ptr, line.len, ": ", 2);

		if (colon == NULL || out->count == HEADERS_MAX)
			continue;
		size_t len = (size_t)(colon - line.ptr);
		out->names[out->count] = (struct ssf_str){ line.ptr, len };
		out->values[out->count++] = (struct ssf_str){ colon + 2, line.len - len - 2 };
	}
}

static struct ssf_str header_of(const void *arg, const char *name)
{
	const struct headers *h = arg;

	for (size_t i = 0; i < h->count; i++) {
		if (ssf_str_ieq_c(h->names[i], name))
			return h->values[i];
	}
	return (struct ssf_str){ NULL, 0 };
}

static void check_signals(const struct signal_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct signal *s = &list->items[i];

		if (s->type == NULL || s->id == NULL || !json_is_object(s->detail) ||
		    (s->needs_lookup && s->has_fingerprint))
			abort();
	}
}

static void check_reply(const struct adapter_reply *reply)
{
	if (reply->status == 0 ? reply->body.len > 0 : reply->status < 200 || reply->status > 299)
		abort();
}

static void run_route(const struct source_adapter *a, const struct adapter_route *route,
		      struct adapter_request *r, const json_t *spec)
{
	static const bool known[SIGNALS_MAX];
	struct adapter_reply reply = { .body = SSF_BUF(REPLY_MAX) };
	struct signal_list list;
	struct ssf_err err;

	r->method = route->method;
	r->path = route->path;
	signal_list_init(&list, SIGNALS_MAX);
	if (a->handshake == NULL || a->handshake(r, &reply, &err) == 0) {
		check_reply(&reply);
		ssf_buf_reset(&reply.body);
		reply.status = 0;
	}
	if (route->map(r, spec, &list, &reply, &err) == 0) {
		check_signals(&list);
		check_reply(&reply);
		if (a->answer != NULL && list.count > 0 &&
		    a->answer(spec, &list, known, &reply, &err) == 0)
			check_reply(&reply);
	} else if (list.count > 0) {
		abort();
	}
	signal_list_done(&list);
	ssf_buf_done(&reply.body);
}

static void run_request(const struct source_adapter *a, struct adapter_request *r,
			const struct adapter_credentials *c)
{
	struct ssf_err err = { .code = SSF_OK };

	if (a->keys != NULL && a->keys->check_request(r, &err) < 0 &&
	    err.code != SSF_E_UNAUTHENTICATED)
		abort();
	if (a->keys == NULL && a->authenticate(r, c, &err) < 0 && err.code != SSF_E_UNAUTHENTICATED)
		abort();
	for (const struct adapter_route *route = a->routes; route->path != NULL; route++)
		run_route(a, route, r, c->spec);
}

static void run_keys(const struct source_adapter *a, struct adapter_request *r,
		     struct adapter_credentials *c)
{
	struct ssf_err err;
	void *keys;

	if (a->keys == NULL || a->keys->parse(r->body, &keys, &err) < 0)
		return;
	r->body = SSF_STR("[]");
	c->keys = keys;
	bool has = a->keys->has(keys, r);
	if (a->authenticate(r, c, &err) < 0 ? err.code != SSF_E_UNAUTHENTICATED : !has)
		abort();
	a->keys->free(keys);
}

static void run_lookup_call(const struct source_adapter *a, const struct adapter_request *r,
			    const struct adapter_credentials *c)
{
	struct adapter_lookup_call call = { .url = SSF_BUF(4096), .authorization = SSF_BUF(4096) };
	json_auto_t *detail = NULL;
	struct ssf_err err;

	if (a->lookup != NULL && ssf_json_parse(r->body, &ssf_json_default, &detail, &err) == 0 &&
	    a->lookup->call(c, detail, &call, &err) == 0 &&
	    !ssf_str_has_prefix(ssf_buf_str(&call.url), "https://"))
		abort();
	ssf_buf_done(&call.url);
	ssf_buf_done(&call.authorization);
}

static void run_lookup_answer(const struct source_adapter *a, const struct adapter_request *r)
{
	uint8_t fingerprint[SSF_SHA256_LEN];
	enum adapter_lookup_result result;
	json_auto_t *more = NULL;
	struct ssf_err err;

	if (a->lookup == NULL ||
	    a->lookup->answer(200, -1, r->body, &result, fingerprint, &more, &err) < 0)
		return;
	if ((result == ADAPTER_LOOKUP_FOUND) != json_is_object(more) ||
	    json_object_get(more, "secret") != NULL)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ssf_str in = { (const char *)data, size }, line;
	struct headers headers = { .count = 0 };
	json_auto_t *spec = json_pack("{s:b}", "labels", 1);
	struct adapter_credentials c = { .spec = spec, .secret_count = 1 };
	const struct source_adapter *a = NULL;
	char type[64], part[16];

	if (!next_line(&in, &line) || line.len >= sizeof(type) + sizeof(part))
		return 0;
	const char *blank = line.len > 0 ? memchr(line.ptr, ' ', line.len) : NULL;
	if (blank == NULL || (size_t)(blank - line.ptr) >= sizeof(type))
		return 0;
	snprintf(type, sizeof(type), "%.*s", (int)(blank - line.ptr), line.ptr);
	snprintf(part, sizeof(part), "%.*s", (int)(line.len - strlen(type)) - 1, blank + 1);
	a = adapter_by_type(type);
	if (a == NULL)
		return 0;
	c.secrets[0] = (struct adapter_secret){ "any", SSF_STR("It's a Secret to Everybody") };
	for (const struct adapter_member *m = a->members; m->name != NULL; m++) {
		if (m->flags & ADAPTER_LOOKS_UP)
			c.secrets[0].member = m->name;
	}
	read_headers(&in, &headers);
	struct adapter_request r = { .method = "POST", .path = "", .header = header_of,
				     .arg = &headers, .body = in, .now = 1800000000 };
	if (strcmp(part, "request") == 0)
		run_request(a, &r, &c);
	else if (strcmp(part, "keys") == 0)
		run_keys(a, &r, &c);
	else if (strcmp(part, "call") == 0)
		run_lookup_call(a, &r, &c);
	else if (strcmp(part, "answer") == 0)
		run_lookup_answer(a, &r);
	return 0;
}
