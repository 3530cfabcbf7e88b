/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small documents by URL (JWKS, GitHub's keys): fetched once, shared by all who ask
 * meanwhile, kept, and fetched again when they are old or when somebody misses something
 * in them, but not more often than once in DOCUMENT_MIN_S a URL. What was asked for longest ago
 * makes room for others.
 */
#pragma once

#include "lib/http/http_client.h"
#include "lib/kit/loop.h"

#define DOCUMENT_MAX (256 * 1024)
#define DOCUMENT_MIN_S 10   /* between two fetches of one URL, as long as it is kept */
#define DOCUMENT_TTL_S 3600
#define DOCUMENTS_MAX 1024  /* kept */
#define DOCUMENTS_BYTES (32 * 1024 * 1024) /* of all together, as they came */

struct document_cache;
struct document_get;

/* What a document is read as: once, and kept with it. What parse() fails with is kept, too. */
struct document_form {
	int (*parse)(struct ssf_str text, void **out, struct ssf_err *err);
	void (*free)(void *parsed);
};

ssf_nodiscard int document_cache_new(struct loop *loop, struct http_client *client,
				struct document_cache **out, struct ssf_err *err);
/* For shutdown: answers every get with SSF_E_UNAVAILABLE and accepts no more. NULL is fine. */
void document_cache_stop(struct document_cache *d);
void document_cache_free(struct document_cache *d);

/*
 * refresh: the caller has seen what is kept and misses something in it. parsed is borrowed for
 * the call. err: SSF_E_UNAVAILABLE when there is none and it cannot be fetched, or when it cannot be read
 * as form: that is never the fault of whoever has sent something to be verified.
 * When a fetch fails, or comes too soon, what is kept is given; so it is, at once, while it is fetched for others
 * who miss something in it.
 */
typedef void document_f(void *arg, const void *parsed, const struct ssf_err *err);
/* SSF_E_BUSY: too many wait for this one to be fetched, or for DOCUMENTS_MAX others. */
ssf_nodiscard int document_get_start(struct document_cache *d, const char *url, const struct document_form *form,
				     bool refresh, document_f *f, void *arg, struct document_get **out,
				     struct ssf_err *err);
void document_get_cancel(struct document_get *g);
