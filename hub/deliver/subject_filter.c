/* SPDX-License-Identifier: Apache-2.0 */
/* Owns the loading. A change that is stored while rows are being read makes it read them again. */
#include "hub/deliver/subject_filter.h"

#include "lib/kit/log.h"

void subject_filter_init(struct subject_filter *f, const char *stream, struct db *db, struct interest_index *index,
			 void *owner, loop_f *ended)
{
	*f = (struct subject_filter){ .stream = stream, .db = db, .index = index, .owner = owner, .ended = ended };
}

void subject_filter_clear(struct subject_filter *f)
{
	db_cancel(f->load);
	f->load = NULL;
	subjects_free(f->subjects);
	f->subjects = NULL;
}

bool subject_filter_is_ready(const struct subject_filter *f)
{
	return f->subjects != NULL;
}

/* An empty filter, which events find by the index from now on. -1: out of memory. */
static int begin(struct subject_filter *f)
{
	f->subjects = subjects_new(f->all, SUBJECTS_MAX);
	if (f->subjects != NULL && !f->all)
		subjects_index(f->subjects, f->index, f->owner);
	return f->subjects != NULL ? 0 : -1;
}

static int add_row(struct subject_filter *f, const json_t *subject, bool wanted, int64_t until, struct ssf_err *err)
{
	if (wanted)
		return subjects_add(f->subjects, subject, err);
	/* one that is removed later has to be there until then */
	if (!f->all && until > wall_now_ms() / 1000 && subjects_add(f->subjects, subject, err) < 0)
		return -1;
	return subjects_remove(f->subjects, subject, until, err);
}

static void on_rows(void *arg, const struct db_result *r, const struct ssf_err *err)
{
	struct subject_filter *f = arg;
	struct ssf_err why;

	f->load = NULL;
	if (err == NULL && !f->stale && begin(f) == 0) {
		for (size_t row = 0; row < db_rows(r); row++) {
			json_auto_t *subject = db_json(r, row, 0);
			if (subject == NULL || add_row(f, subject, db_text(r, row, 1)[0] == 't', db_int(r, row, 2), &why) < 0)
				log_error("deliver.subject.unusable", log_str("stream", f->stream));
		}
	}
	f->stale = false;
	f->ended(f->owner);
}

int subject_filter_load(struct subject_filter *f, bool all_subjects)
{
	const char *params[] = { f->stream };

	if (f->subjects != NULL || f->load != NULL)
		return 0;
	f->all = all_subjects;
	f->stale = false;
	if (db_exec(f->db, STMT_stream_subjects, params, on_rows, f, &f->load, NULL) == 0)
		return 0;
	f->load = NULL;
	return -1;
}

void subject_filter_load_none(struct subject_filter *f, bool all_subjects)
{
	if (f->subjects != NULL || f->load != NULL || f->stale)
		return;
	f->all = all_subjects;
	(void)begin(f); /* without memory it is loaded */
}

bool subject_filter_wants(struct subject_filter *f, const struct event *e)
{
	bool wanted = true;

	if (subjects_wants(f->subjects, e->sub_id, wall_now_ms() / 1000, &wanted, NULL) < 0)
		return true;
	return wanted;
}

int subject_filter_before(struct subject_filter *f, const struct subject_change *c, struct ssf_err *err)
{
	return c->add && f->subjects != NULL ? subjects_add(f->subjects, c->subject, err) : 0;
}

int subject_filter_after(struct subject_filter *f, const struct subject_change *c, struct ssf_err *err)
{
	if (f->subjects == NULL) {
		f->stale = true;
		return 0;
	}
	/* added again: it may have been loaded since subject_filter_before() */
	if (c->add)
		return subjects_add(f->subjects, c->subject, err);
	return subjects_remove(f->subjects, c->subject, c->until, err);
}
