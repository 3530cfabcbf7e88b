/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the parsed key files. A file that does not exist or cannot be used is remembered as well:
 * it is tried again only when its signature changes.
 */
#include "hub/ingest/source_keys.h"

#include "lib/kit/file.h"
#include "lib/kit/file_signature.h"
#include "lib/kit/log.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

struct key_file {
	TAILQ_ENTRY(key_file) link;
	const struct adapter_keys *type;
	char *path;
	struct file_signature signature; /* from before it was read */
	void *keys;                      /* NULL: they cannot be used */
};

TAILQ_HEAD(key_file_list, key_file);

struct source_keys {
	struct loop *loop;
	LIST_HEAD(, source_keys_get) file_gets;
	struct document_cache *documents;
	struct key_file_list files; /* the most recently used first */
	size_t file_count;
	size_t reads;
	/* By adapter: the document cache knows a form by its address. */
	struct document_form forms[ADAPTER_COUNT];
};

struct source_keys_get {
	LIST_ENTRY(source_keys_get) link; /* of those that wait for on_file() */
	struct source_keys *owner;
	const struct source_adapter *adapter;
	const struct adapter_request *request;
	const char *url, *path; /* one of them is NULL */
	bool refreshed;         /* the document was fetched for this request */
	source_keys_f *f;
	void *arg;
	struct document_get *fetch;
	struct loop_defer *defer;
};

static void key_file_free(struct source_keys *k, struct key_file *file)
{
	TAILQ_REMOVE(&k->files, file, link);
	k->file_count--;
	if (file->keys != NULL)
		file->type->free(file->keys);
	free(file->path);
	free(file);
}

int source_keys_new(struct loop *loop, struct document_cache *documents, struct source_keys **out,
		    struct ssf_err *err)
{
	struct source_keys *k = calloc(1, sizeof(*k));

	if (k == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "source keys");
	k->loop = loop;
	k->documents = documents;
	LIST_INIT(&k->file_gets);
	TAILQ_INIT(&k->files);
	for (size_t i = 0; i < ADAPTER_COUNT; i++) {
		const struct adapter_keys *type = adapter_at(i)->keys;

		if (type != NULL)
			k->forms[i] = (struct document_form){ type->parse, type->free };
	}
	*out = k;
	return 0;
}

void source_keys_free(struct source_keys *k)
{
	struct ssf_err err;

	if (k == NULL)
		return;
	ssf_fail(&err, SSF_E_UNAVAILABLE, "shutting down");
	while (!LIST_EMPTY(&k->file_gets)) {
		struct source_keys_get *g = LIST_FIRST(&k->file_gets);

		g->f(g->arg, NULL, &err);
		source_keys_get_cancel(g);
	}
	while (!TAILQ_EMPTY(&k->files))
		key_file_free(k, TAILQ_FIRST(&k->files));
	free(k);
}

size_t source_keys_reads(const struct source_keys *k)
{
	return k->reads;
}

/* --- files --------------------------------------------------------------------------------- */

static void key_file_read(struct source_keys *k, struct key_file *file)
{
	ssf_auto_buf text = SSF_BUF(DOCUMENT_MAX);
	struct ssf_err err;

	k->reads++;
	if (file->keys != NULL)
		file->type->free(file->keys);
	file->keys = NULL;
	if (file_read(file->path, &text, &err) == 0 &&
	    file->type->parse(ssf_buf_str(&text), &file->keys, &err) == 0)
		return;
	file->keys = NULL;
	if (err.code == SSF_E_INTERNAL || err.code == SSF_E_NOMEM)
		file->signature.size = -1; /* of no file: such errors may pass without a change */
	log_warn("ingest.keys.unreadable", log_str("path", file->path), log_why(&err));
}

static struct key_file *key_file_add(struct source_keys *k, const struct adapter_keys *type,
				     const char *path)
{
	struct key_file *file = calloc(1, sizeof(*file));

	if (file == NULL || (file->path = strdup(path)) == NULL) {
		free(file);
		return NULL;
	}
	if (k->file_count == SOURCE_KEYS_FILES_MAX)
		key_file_free(k, TAILQ_LAST(&k->files, key_file_list));
	file->type = type;
	TAILQ_INSERT_HEAD(&k->files, file, link);
	k->file_count++;
	file->signature = file_signature_of(path);
	key_file_read(k, file);
	return file;
}

/* The file as it is now, first in the list; NULL: out of memory. */
static struct key_file *key_file_get(struct source_keys *k, const struct adapter_keys *type,
				     const char *path)
{
	struct file_signature now;
	struct key_file *file;

	TAILQ_FOREACH(file, &k->files, link) {
		if (file->type == type && strcmp(file->path, path) == 0)
			break;
	}
	if (file == NULL)
		return key_file_add(k, type, path);
	TAILQ_REMOVE(&k->files, file, link);
	TAILQ_INSERT_HEAD(&k->files, file, link);
	now = file_signature_of(path);
	if (!file_signature_equal(&now, &file->signature)) {
		file->signature = now;
		key_file_read(k, file);
	}
	return file;
}

static void on_file(void *arg)
{
	struct source_keys_get *g = arg;
	const struct key_file *file = key_file_get(g->owner, g->adapter->keys, g->path);
	struct ssf_err err;

	g->defer = NULL;
	LIST_REMOVE(g, link);
	if (file == NULL)
		ssf_fail(&err, SSF_E_NOMEM, "source keys");
	else if (file->keys == NULL)
		ssf_fail(&err, SSF_E_UNAVAILABLE, "the keys of this source cannot be read");
	if (file == NULL || file->keys == NULL)
		g->f(g->arg, NULL, &err);
	else
		g->f(g->arg, file->keys, NULL);
	free(g);
}

/* --- documents ----------------------------------------------------------------------------- */

static int fetch(struct source_keys_get *g, struct ssf_err *err);

static void on_document(void *arg, const void *keys, const struct ssf_err *err)
{
	struct source_keys_get *g = arg;
	struct ssf_err why;

	g->fetch = NULL;
	/* the source may have a new key since the document was fetched */
	if (err == NULL && !g->refreshed && !g->adapter->keys->has(keys, g->request)) {
		g->refreshed = true;
		if (fetch(g, &why) == 0)
			return;
		err = &why;
	}
	g->f(g->arg, err == NULL ? keys : NULL, err);
	free(g);
}

static int fetch(struct source_keys_get *g, struct ssf_err *err)
{
	const struct document_form *form =
		&g->owner->forms[adapter_index(g->adapter->type)];

	return document_get_start(g->owner->documents, g->url, form, g->refreshed, on_document, g,
				  &g->fetch, err);
}

/* --- both ---------------------------------------------------------------------------------- */

/* The value of the resource's first member of this type, or NULL. */
static const char *member_of_type(const struct source_adapter *adapter, const json_t *spec,
				  enum adapter_member_type type)
{
	for (const struct adapter_member *m = adapter->members; m->name != NULL; m++) {
		const char *value = json_string_value(json_object_get(spec, m->name));

		if (m->type == type && value != NULL)
			return value;
	}
	return NULL;
}

int source_keys_get_start(struct source_keys *k, const struct source_adapter *adapter,
			  const json_t *spec, const struct adapter_request *request,
			  source_keys_f *f, void *arg, struct source_keys_get **out,
			  struct ssf_err *err)
{
	struct source_keys_get *g = calloc(1, sizeof(*g));

	if (g == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "source keys");
	*g = (struct source_keys_get){ .owner = k, .adapter = adapter, .request = request, .f = f,
				       .arg = arg };
	g->path = member_of_type(adapter, spec, ADAPTER_KEYS_FILE);
	g->url = member_of_type(adapter, spec, ADAPTER_KEYS_URL);
	if (g->path != NULL) {
		g->defer = loop_defer_start(k->loop, on_file, g);
		if (g->defer == NULL) {
			free(g);
			return ssf_fail(err, SSF_E_NOMEM, "source keys");
		}
		LIST_INSERT_HEAD(&k->file_gets, g, link);
	} else if (g->url == NULL || fetch(g, err) < 0) {
		if (g->url == NULL)
			ssf_fail(err, SSF_E_UNAVAILABLE, "this source has no keys");
		free(g);
		return -1;
	}
	*out = g;
	return 0;
}

void source_keys_get_cancel(struct source_keys_get *g)
{
	if (g == NULL)
		return;
	document_get_cancel(g->fetch);
	if (g->defer != NULL) {
		loop_defer_cancel(g->defer);
		LIST_REMOVE(g, link);
	}
	free(g);
}
