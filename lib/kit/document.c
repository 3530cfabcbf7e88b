/* SPDX-License-Identifier: Apache-2.0 */
/* Owns fetched documents. Whose they are and what is in them is not known here. */
#include "lib/kit/document.h"

#include "lib/kit/log.h"
#include "lib/ssf/attr.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define FETCH_TIMEOUT_MS 5000
#define WAITING_MAX 1000

struct document_get {
	LIST_ENTRY(document_get) link;
	struct document *document;
	document_f *f;
	void *arg;
};

struct document {
	LIST_ENTRY(document) link;
	struct documents *owner;
	char *url;
	char *text;              /* NULL: never fetched */
	size_t len;
	bool tried;
	int64_t fetched_at;      /* ms, monotonic; of the last attempt */
	struct http_call *call;
	struct loop_defer *answer;
	LIST_HEAD(, document_get) waiting;
	size_t waiting_count;
};

struct documents {
	struct loop *loop;
	struct http_client *client;
	size_t count;
	LIST_HEAD(, document) list;
};

static void get_free(struct document_get *g)
{
	LIST_REMOVE(g, link);
	g->document->waiting_count--;
	free(g);
}

/* Answers all who wait now. */
static void on_answer(void *arg)
{
	struct document *d = arg;
	struct ssf_err err;

	d->answer = NULL;
	ssf_fail(&err, SSF_E_UNAVAILABLE, "a key document could not be fetched");
	for (size_t n = d->waiting_count; n > 0 && !LIST_EMPTY(&d->waiting); n--) {
		struct document_get *g = LIST_FIRST(&d->waiting);
		document_f *f = g->f;
		void *f_arg = g->arg;
		get_free(g);
		f(f_arg, (struct ssf_str){ d->text, d->len }, d->text == NULL ? &err : NULL);
	}
}

static void on_fetched(void *arg, const struct http_result *r, const struct ssf_err *err)
{
	struct document *d = arg;

	d->call = NULL;
	if (err != NULL) {
		log_warn("document.fetch.failed", log_str("url", d->url), log_why(err));
	} else if (r->status != 200) {
		log_warn("document.fetch.failed", log_str("url", d->url),
			 log_int("status", r->status));
	} else {
		char *text = ssf_str_dup(r->body);
		if (text != NULL) {
			free(d->text);
			d->text = text;
			d->len = r->body.len;
		}
	}
	on_answer(d);
}

static void fetch(struct document *d)
{
	struct http_call_spec spec = {
		.method = "GET",
		.url = d->url,
		.headers = { "Accept: application/json", "User-Agent: ssfhub" },
		.timeout_ms = FETCH_TIMEOUT_MS,
		.max_body = DOCUMENT_MAX,
	};
	struct ssf_err err;

	d->tried = true;
	d->fetched_at = loop_now_ms();
	if (http_call_start(d->owner->client, &spec, on_fetched, d, &d->call, &err) < 0) {
		d->call = NULL;
		log_warn("document.fetch.failed", log_str("url", d->url), log_why(&err));
	}
}

static struct document *document_find(struct documents *docs, const char *url)
{
	struct document *d;

	LIST_FOREACH(d, &docs->list, link) {
		if (strcmp(d->url, url) == 0)
			return d;
	}
	return NULL;
}

static struct document *document_new(struct documents *docs, const char *url)
{
	struct document *d = calloc(1, sizeof(*d));

	if (d == NULL || (d->url = strdup(url)) == NULL) {
		free(d);
		return NULL;
	}
	d->owner = docs;
	LIST_INIT(&d->waiting);
	LIST_INSERT_HEAD(&docs->list, d, link);
	docs->count++;
	return d;
}

static void document_free(struct document *d)
{
	struct ssf_err err;

	http_call_cancel(d->call);
	loop_defer_cancel(d->answer);
	ssf_fail(&err, SSF_E_UNAVAILABLE, "shutting down");
	while (!LIST_EMPTY(&d->waiting)) { /* their requests have to be answered */
		struct document_get *g = LIST_FIRST(&d->waiting);
		document_f *f = g->f;
		void *f_arg = g->arg;
		get_free(g);
		f(f_arg, (struct ssf_str){ NULL, 0 }, &err);
	}
	LIST_REMOVE(d, link);
	d->owner->count--;
	free(d->text);
	free(d->url);
	free(d);
}

int documents_new(struct loop *loop, struct http_client *client, struct documents **out,
		  struct ssf_err *err)
{
	struct documents *docs = calloc(1, sizeof(*docs));

	if (docs == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "documents");
	docs->loop = loop;
	docs->client = client;
	LIST_INIT(&docs->list);
	*out = docs;
	return 0;
}

void documents_free(struct documents *docs)
{
	if (docs == NULL)
		return;
	while (!LIST_EMPTY(&docs->list))
		document_free(LIST_FIRST(&docs->list));
	free(docs);
}

static bool fetch_due(const struct document *d, bool refresh)
{
	int64_t age = loop_now_ms() - d->fetched_at;

	if (d->call != NULL)
		return false;
	if (!d->tried)
		return true;
	if (d->text == NULL || refresh)
		return age >= DOCUMENT_MIN_S * 1000;
	return age >= DOCUMENT_TTL_S * 1000;
}

int document_get_start(struct documents *docs, const char *url, bool refresh, document_f *f,
		       void *arg, struct document_get **out, struct ssf_err *err)
{
	struct document *d = document_find(docs, url);
	struct document_get *g;

	if (d == NULL && docs->count >= DOCUMENTS_MAX)
		return ssf_fail(err, SSF_E_LIMIT, "more than %d key documents", DOCUMENTS_MAX);
	if (d == NULL && (d = document_new(docs, url)) == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "key document");
	if (d->waiting_count >= WAITING_MAX)
		return ssf_fail(err, SSF_E_BUSY, "too many wait for a key document");
	g = calloc(1, sizeof(*g));
	if (g == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "key document");
	*g = (struct document_get){ .document = d, .f = f, .arg = arg };
	LIST_INSERT_HEAD(&d->waiting, g, link);
	d->waiting_count++;
	if (fetch_due(d, refresh))
		fetch(d);
	if (d->call == NULL && d->answer == NULL)
		d->answer = loop_defer_start(docs->loop, on_answer, d);
	*out = g;
	return 0;
}

void document_get_cancel(struct document_get *g)
{
	if (g != NULL)
		get_free(g);
}
