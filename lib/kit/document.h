/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small documents by URL (JWKS, GitHub's keys): fetched once, shared by all who ask
 * meanwhile, kept, and fetched again when they are old or when somebody misses something
 * in them, but not more often than once in DOCUMENT_MIN_S a URL.
 */
#pragma once

#include "lib/kit/http_client.h"
#include "lib/kit/loop.h"

#define DOCUMENT_MAX (256 * 1024)
#define DOCUMENT_MIN_S 10   /* between two fetches of one URL */
#define DOCUMENT_TTL_S 3600
#define DOCUMENTS_MAX 256   /* URLs */

struct documents;
struct document_get;

ssf_nodiscard int documents_new(struct loop *loop, struct http_client *client,
				struct documents **out, struct ssf_err *err);
void documents_free(struct documents *d);

/*
 * refresh: the caller has seen what is kept and misses something in it. text is borrowed for
 * the call. err: SSF_E_UNAVAILABLE when there is none and it cannot be fetched.
 * When a fetch fails, or comes too soon, what is kept is given.
 */
typedef void document_f(void *arg, struct ssf_str text, const struct ssf_err *err);
ssf_nodiscard int document_get_start(struct documents *d, const char *url, bool refresh,
				     document_f *f, void *arg, struct document_get **out,
				     struct ssf_err *err);
void document_get_cancel(struct document_get *g);
