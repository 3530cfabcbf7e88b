/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The public keys that a source signs with, for adapters that declare such a document
 * (adapter_keys). Its place is in the resource: a URL (fetched through the document cache) or a
 * file of the operator's. A document is read again when the key that a request names is missing;
 * a file, when it has changed. Neither happens for every request: anybody may send one.
 */
#pragma once

#include "lib/http/document_cache.h"
#include "lib/kit/loop.h"
#include "transmitters/adapter.h"

#define SOURCE_KEYS_FILES_MAX 64 /* kept; the least recently used makes room */

struct source_keys;

/* loop and documents are borrowed. */
ssf_nodiscard int source_keys_new(struct loop *loop, struct document_cache *documents,
				  struct source_keys **out, struct ssf_err *err);
/* Free documents first. Requests that still wait are told SSF_E_UNAVAILABLE. NULL is fine. */
void source_keys_free(struct source_keys *k);

struct source_keys_get;

/*
 * keys: what adapter_keys.parse() made, borrowed for the call; the key that the request names
 * may be missing. err: SSF_E_UNAVAILABLE, whatever is wrong with the document: it is not the
 * sender's fault, and the log says what it is. SSF_E_NOMEM.
 */
typedef void source_keys_f(void *arg, const void *keys, const struct ssf_err *err);

/* spec and request are borrowed until f is called or the handle is cancelled. SSF_E_BUSY. */
ssf_nodiscard int source_keys_get_start(struct source_keys *k, const struct source_adapter *adapter,
					const json_t *spec, const struct adapter_request *request,
					source_keys_f *f, void *arg, struct source_keys_get **out,
					struct ssf_err *err);
void source_keys_get_cancel(struct source_keys_get *g);

/* How many times a file has been read. */
size_t source_keys_reads(const struct source_keys *k);
