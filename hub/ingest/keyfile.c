/* SPDX-License-Identifier: Apache-2.0 */
/* That one is not there, or makes no sense, is kept as well: it is not tried again before it has changed. */
#include "hub/ingest/keyfile.h"

#include "lib/http/document_cache.h"
#include "lib/kit/log.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>

/* Two files that are the same in all of it have the same bytes. */
struct look {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec written, changed;
};

struct keyfile {
	TAILQ_ENTRY(keyfile) link;
	char *path;
	struct look look;         /* before it was read */
	struct github_keys *keys; /* NULL: there are none that could be read */
};

struct keyfiles {
	TAILQ_HEAD(keyfile_list, keyfile) list; /* who was asked for last first */
	size_t count;
	size_t read;
};

struct keyfiles *keyfiles_new(void)
{
	struct keyfiles *f = calloc(1, sizeof(*f));

	if (f != NULL)
		TAILQ_INIT(&f->list);
	return f;
}

static void drop(struct keyfiles *f, struct keyfile *one)
{
	TAILQ_REMOVE(&f->list, one, link);
	f->count--;
	github_keys_free(one->keys);
	free(one->path);
	free(one);
}

void keyfiles_free(struct keyfiles *f)
{
	if (f == NULL)
		return;
	while (!TAILQ_EMPTY(&f->list))
		drop(f, TAILQ_FIRST(&f->list));
	free(f);
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool same(const struct look *a, const struct look *b)
{
	return a->device == b->device && a->inode == b->inode && a->size == b->size &&
	       same_time(&a->written, &b->written) && same_time(&a->changed, &b->changed);
}

/* All zero when it is not there. */
static struct look look_at(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return (struct look){ .size = 0 };
	return (struct look){ st.st_dev, st.st_ino, st.st_size, st.st_mtim, st.st_ctim };
}

static void read_keys(struct keyfiles *f, struct keyfile *one)
{
	ssf_auto_buf text = SSF_BUF(DOCUMENT_MAX);
	struct ssf_err err;

	f->read++;
	github_keys_free(one->keys);
	one->keys = NULL;
	if (file_read(one->path, &text, &err) == 0 &&
	    github_keys_parse(ssf_buf_str(&text), &one->keys, &err) == 0)
		return;
	one->keys = NULL;
	if (err.code == SSF_E_INTERNAL || err.code == SSF_E_NOMEM)
		one->look.size = -1; /* that may pass by itself: as no file is */
	log_warn("ingest.keys.unreadable", log_str("path", one->path), log_why(&err));
}

static struct keyfile *add(struct keyfiles *f, const char *path)
{
	struct keyfile *one = calloc(1, sizeof(*one));

	if (one == NULL || (one->path = strdup(path)) == NULL) {
		free(one);
		return NULL;
	}
	if (f->count == KEYFILES_MAX)
		drop(f, TAILQ_LAST(&f->list, keyfile_list));
	one->look = look_at(path);
	TAILQ_INSERT_HEAD(&f->list, one, link);
	f->count++;
	read_keys(f, one);
	return one;
}

/* Puts it first. */
static struct keyfile *find(struct keyfiles *f, const char *path)
{
	struct keyfile *one;
	struct look now;

	TAILQ_FOREACH(one, &f->list, link) {
		if (strcmp(one->path, path) == 0)
			break;
	}
	if (one == NULL)
		return NULL;
	TAILQ_REMOVE(&f->list, one, link);
	TAILQ_INSERT_HEAD(&f->list, one, link);
	now = look_at(path);
	if (!same(&now, &one->look)) {
		one->look = now;
		read_keys(f, one);
	}
	return one;
}

int keyfiles_get(struct keyfiles *f, const char *path, const struct github_keys **out, struct ssf_err *err)
{
	struct keyfile *one = find(f, path);

	if (one == NULL && (one = add(f, path)) == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "keys");
	if (one->keys == NULL)
		return ssf_fail(err, SSF_E_UNAVAILABLE, "the keys of this source cannot be read");
	*out = one->keys;
	return 0;
}

size_t keyfiles_read(const struct keyfiles *f)
{
	return f->read;
}
