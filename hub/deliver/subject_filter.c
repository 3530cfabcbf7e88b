/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the loading, which goes page by page: a million subjects in one piece would hold up the loop. A change that is
 * stored meanwhile is made in memory, too; the page that was being read may be from before, and is read again.
 */
#include "hub/deliver/subject_filter.h"

#include "lib/kit/log.h"

#define PAGE 2000

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
	f->ready = f->changed = false;
	f->after_len = 0;
}

bool subject_filter_is_ready(const struct subject_filter *f)
{
	return f->ready;
}

/* An empty filter, which events find by the index from now on. -1: out of memory. */
static int begin(struct subject_filter *f, bool all_subjects)
{
	f->all = all_subjects;
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

static void add_rows(struct subject_filter *f, const struct db_result *r)
{
	size_t rows = db_rows(r);
	struct ssf_err err;

	for (size_t row = 0; row < rows; row++) {
		json_auto_t *subject = db_json(r, row, 0);
		if (subject == NULL || add_row(f, subject, db_bool(r, row, 1), db_int(r, row, 2), &err) < 0)
			log_error("deliver.subject.unusable", log_str("stream", f->stream));
	}
	if (rows > 0 && ssf_unhex(ssf_str_c(db_text(r, rows - 1, 3)), f->after, sizeof(f->after)) == 0)
		f->after_len = sizeof(f->after);
	f->ready = rows < PAGE;
}

static void on_page(void *arg, const struct db_result *r, const struct ssf_err *err)
{
	struct subject_filter *f = arg;

	f->load = NULL;
	if (err == NULL && !f->changed)
		add_rows(f, r);
	if (err != NULL || f->ready || subject_filter_load(f, f->all) < 0)
		f->ended(f->owner);
}

int subject_filter_load(struct subject_filter *f, bool all_subjects)
{
	if (f->ready || f->load != NULL)
		return 0;
	if (f->subjects == NULL && begin(f, all_subjects) < 0)
		return -1;
	f->changed = false;
	if (db_exec(f->db, STMT_stream_subjects,
		    DB_PARAMS(db_param_text(f->stream), db_param_bytes(f->after, f->after_len), db_param_int(PAGE)),
		    on_page, f, &f->load, NULL) == 0)
		return 0;
	f->load = NULL;
	return -1;
}

void subject_filter_load_none(struct subject_filter *f, bool all_subjects)
{
	if (f->subjects == NULL && !f->changed)
		f->ready = begin(f, all_subjects) == 0; /* without memory it is loaded */
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
	if (!f->ready)
		f->changed = true;
	if (f->subjects == NULL)
		return 0;
	/* added again: it may have been loaded since subject_filter_before() */
	if (c->add)
		return subjects_add(f->subjects, c->subject, err);
	return subjects_remove(f->subjects, c->subject, c->until, err);
}
