/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns fetched documents, and what they were read as. Whose they are and what is in them is not known
 * here. Who was asked for last is first in the list; room is made at its end.
 */
#include "lib/http/document_cache.h"

#include "lib/kit/log.h"
#include "lib/ssf/attr.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define FETCH_TIMEOUT_MS 5000
#define WAITING_MAX 1000
#define BUCKETS 256

struct document_get {
	LIST_ENTRY(document_get) link;
	struct document *document;
	const struct document_form *form;
	bool refresh;
	bool waits;              /* for the network: counted */
	document_f *f;
	void *arg;
};

LIST_HEAD(get_list, document_get);

struct document {
	TAILQ_ENTRY(document) link;
	LIST_ENTRY(document) same; /* in its bucket */
	struct document_cache *owner;
	char *url;
	char *text;              /* NULL: never fetched */
	size_t len;
	const struct document_form *form; /* that it was read as, or NULL */
	void *parsed;            /* NULL: it cannot be, as unreadable says */
	struct ssf_err unreadable;
	bool tried;
	int64_t fetched_at;      /* ms, monotonic; of the last attempt */
	int64_t ended_at;        /* of the last one that is over */
	struct http_call *call;
	struct loop_defer *answer;
	bool answering;          /* who is told may use it: it stays */
	struct get_list waiting;
	size_t waiting_count;    /* for the network */
};

struct document_cache {
	struct loop *loop;
	struct http_client *client;
	size_t count;
	size_t bytes;            /* of all texts */
	bool stopped;
	TAILQ_HEAD(document_list, document) list;
	LIST_HEAD(, document) buckets[BUCKETS];
};

static void get_free(struct document_get *g)
{
	LIST_REMOVE(g, link);
	g->document->waiting_count -= g->waits;
	free(g);
}

/* --- what it says ---------------------------------------------------------------------------------- */

static void forget_parsed(struct document *d)
{
	if (d->parsed != NULL)
		d->form->free(d->parsed);
	d->parsed = NULL;
	d->form = NULL;
}

static void read_as(struct document *d, const struct document_form *form)
{
	if (d->form == form)
		return;
	forget_parsed(d);
	d->form = form;
	if (form->parse((struct ssf_str){ d->text, d->len }, &d->parsed, &d->unreadable) < 0) {
		d->parsed = NULL;
		d->unreadable.code = SSF_E_UNAVAILABLE;
	}
}

/* Takes text. */
static void set_text(struct document *d, char *text, size_t len)
{
	forget_parsed(d);
	free(d->text);
	d->owner->bytes += len - d->len;
	d->text = text;
	d->len = len;
}

/* --- fetching -------------------------------------------------------------------------------------- */

static void make_room(struct document_cache *docs, size_t count);

/*
 * While it is fetched, what is kept will do for who misses nothing in it, unless it is old: who presents
 * tokens with unknown keys is not to hold up those whose keys are known.
 */
static bool may_answer(const struct document_get *g)
{
	const struct document *d = g->document;

	if (d->call == NULL)
		return true;
	return d->text != NULL && !g->refresh && loop_now_ms() - d->ended_at < DOCUMENT_TTL_S * 1000;
}

/* Before anybody is told: they may ask again, and begin a fetch that others do not wait for. */
static void take_answerable(struct document *d, struct get_list *out)
{
	struct document_get *g, *next;

	LIST_INIT(out);
	for (g = LIST_FIRST(&d->waiting); g != NULL; g = next) {
		next = LIST_NEXT(g, link);
		if (!may_answer(g))
			continue;
		LIST_REMOVE(g, link);
		LIST_INSERT_HEAD(out, g, link);
	}
}

static void on_answer(void *arg)
{
	struct document *d = arg;
	struct get_list told;
	struct document_get *g;
	struct ssf_err err;

	d->answer = NULL;
	d->answering = true;
	ssf_fail(&err, SSF_E_UNAVAILABLE, "a key document could not be fetched");
	take_answerable(d, &told);
	while ((g = LIST_FIRST(&told)) != NULL) { /* who is told may cancel others of them */
		document_f *f = g->f;
		void *f_arg = g->arg;
		if (d->text != NULL)
			read_as(d, g->form);
		get_free(g);
		if (d->text == NULL)
			f(f_arg, NULL, &err);
		else
			f(f_arg, d->parsed, d->parsed == NULL ? &d->unreadable : NULL);
	}
	d->answering = false;
}

static void on_fetched(void *arg, const struct http_result *r, const struct ssf_err *err)
{
	struct document *d = arg;

	d->call = NULL;
	d->ended_at = loop_now_ms();
	if (err != NULL) {
		log_warn("document.fetch.failed", log_str("url", d->url), log_why(err));
	} else if (r->status != 200) {
		log_warn("document.fetch.failed", log_str("url", d->url),
			 log_int("status", r->status));
	} else {
		char *text = ssf_str_dup(r->body);
		if (text != NULL)
			set_text(d, text, r->body.len);
	}
	loop_defer_cancel(d->answer); /* on_answer() answers those that it was for, too */
	on_answer(d);
	make_room(d->owner, DOCUMENTS_MAX);
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

/* --- which ones ------------------------------------------------------------------------------------ */

/* FNV-1a */
static size_t bucket_of(const char *url)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (const char *c = url; *c != '\0'; c++)
		h = (h ^ (uint8_t)*c) * 0x100000001b3u;
	return (h ^ h >> 32) % BUCKETS;
}

/* Puts it first. */
static struct document *document_find(struct document_cache *docs, const char *url)
{
	struct document *d;

	LIST_FOREACH(d, &docs->buckets[bucket_of(url)], same) {
		if (strcmp(d->url, url) == 0) {
			TAILQ_REMOVE(&docs->list, d, link);
			TAILQ_INSERT_HEAD(&docs->list, d, link);
			return d;
		}
	}
	return NULL;
}

static struct document *document_new(struct document_cache *docs, const char *url)
{
	struct document *d = calloc(1, sizeof(*d));

	if (d == NULL || (d->url = strdup(url)) == NULL) {
		free(d);
		return NULL;
	}
	d->owner = docs;
	LIST_INIT(&d->waiting);
	TAILQ_INSERT_HEAD(&docs->list, d, link);
	LIST_INSERT_HEAD(&docs->buckets[bucket_of(url)], d, same);
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
		f(f_arg, NULL, &err);
	}
	TAILQ_REMOVE(&d->owner->list, d, link);
	LIST_REMOVE(d, same);
	d->owner->count--;
	set_text(d, NULL, 0);
	free(d->url);
	free(d);
}

/* Down to count, and to the bytes that all may have; whom somebody waits for stays. */
static void make_room(struct document_cache *docs, size_t count)
{
	struct document *d, *before;

	for (d = TAILQ_LAST(&docs->list, document_list); d != NULL; d = before) {
		before = TAILQ_PREV(d, document_list, link);
		if (docs->count <= count && docs->bytes <= DOCUMENTS_BYTES)
			return;
		if (LIST_EMPTY(&d->waiting) && d->call == NULL && d->answer == NULL && !d->answering)
			document_free(d);
	}
}

int document_cache_new(struct loop *loop, struct http_client *client, struct document_cache **out,
		  struct ssf_err *err)
{
	struct document_cache *docs = calloc(1, sizeof(*docs));

	if (docs == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "documents");
	docs->loop = loop;
	docs->client = client;
	TAILQ_INIT(&docs->list);
	for (size_t i = 0; i < BUCKETS; i++)
		LIST_INIT(&docs->buckets[i]);
	*out = docs;
	return 0;
}

void document_cache_stop(struct document_cache *docs)
{
	if (docs == NULL)
		return;
	docs->stopped = true;
	while (!TAILQ_EMPTY(&docs->list))
		document_free(TAILQ_FIRST(&docs->list));
}

void document_cache_free(struct document_cache *docs)
{
	document_cache_stop(docs);
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

int document_get_start(struct document_cache *docs, const char *url, const struct document_form *form,
		       bool refresh, document_f *f, void *arg, struct document_get **out, struct ssf_err *err)
{
	struct document *d = document_find(docs, url);
	struct document_get *g;

	if (docs->stopped)
		return ssf_fail(err, SSF_E_UNAVAILABLE, "shutting down");
	if (d == NULL)
		make_room(docs, DOCUMENTS_MAX - 1);
	if (d == NULL && docs->count >= DOCUMENTS_MAX)
		return ssf_fail(err, SSF_E_BUSY, "too many wait for key documents");
	if (d == NULL && (d = document_new(docs, url)) == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "key document");
	g = calloc(1, sizeof(*g));
	if (g == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "key document");
	*g = (struct document_get){ .document = d, .form = form, .refresh = refresh, .f = f, .arg = arg };
	if (fetch_due(d, refresh))
		fetch(d);
	g->waits = !may_answer(g);
	if (g->waits && d->waiting_count >= WAITING_MAX) {
		free(g);
		return ssf_fail(err, SSF_E_BUSY, "too many wait for a key document");
	}
	LIST_INSERT_HEAD(&d->waiting, g, link);
	d->waiting_count += g->waits;
	if (!g->waits && d->answer == NULL)
		d->answer = loop_defer_start(docs->loop, on_answer, d);
	*out = g;
	return 0;
}

void document_get_cancel(struct document_get *g)
{
	if (g != NULL)
		get_free(g);
}
