/* SPDX-License-Identifier: Apache-2.0 */
/* Writes numbers from integers alone: what is shown is exactly what was counted. */
#include "lib/kit/metrics.h"

#include <assert.h>
#include <string.h>

static const char *const no_values[] = { "" };
const struct metric_label metric_no_label = { NULL, no_values, 1 };

static size_t series_count(const struct metric *m)
{
	size_t n = 1;

	for (size_t i = 0; i < METRIC_LABELS; i++)
		n *= m->labels[i]->count;
	return n;
}

/* Of one series. */
static size_t width(const struct metric *m)
{
	return m->type == METRIC_HISTOGRAM ? m->bound_count + 2 : 1;
}

size_t metric_cell_count(const struct metric *m)
{
	return m->foreign ? 0 : series_count(m) * width(m);
}

void metric_observe_in(const struct metric *m, int64_t *cells, size_t series, int64_t value)
{
	int64_t *c = cells + m->cell + series * width(m);
	size_t i = 0;

	assert(m->type == METRIC_HISTOGRAM && series < series_count(m));
	if (value < 0)
		value = 0; /* of a clock that was set back */
	while (i < m->bound_count && value > m->bounds[i])
		i++;
	c[i]++;
	c[m->bound_count + 1] += value;
}

static int64_t combined(enum metric_over over, int64_t a, int64_t b)
{
	switch (over) {
	case METRIC_MAX:
		return a > b ? a : b;
	case METRIC_MIN:
		return a < b ? a : b;
	default:
		return a + b;
	}
}

void metrics_join(const struct metric *table, size_t count, const int64_t *cells, int64_t *together)
{
	for (size_t t = 0; t < count; t++) {
		const struct metric *m = &table[t];

		for (size_t i = m->cell; i < m->cell + metric_cell_count(m); i++)
			together[i] = combined(m->over, together[i], __atomic_load_n(&cells[i], __ATOMIC_RELAXED));
	}
}

/* --- text --------------------------------------------------------------------------------------- */

/* value * 10^-decimals, without zeros at the end. There are thousands of them in one scrape. */
static void put_number(struct ssf_buf *out, int64_t value, unsigned decimals)
{
	uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;
	char text[48], *end = text + sizeof(text), *at = end;
	bool shown = false; /* a digit behind the point that is not a zero at the end */

	for (unsigned i = 0; i < decimals; i++, rest /= 10) {
		shown = shown || rest % 10 != 0;
		if (shown)
			*--at = (char)('0' + rest % 10);
	}
	if (shown)
		*--at = '.';
	do {
		*--at = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest > 0);
	if (value < 0)
		*--at = '-';
	ssf_buf_add(out, at, (size_t)(end - at));
}

/* Quotes are escaped in label values alone. */
static void put_escaped(struct ssf_buf *out, const char *text, bool quotes)
{
	const char *special = quotes ? "\n\\\"" : "\n\\";

	for (;; text++) {
		size_t plain = strcspn(text, special);

		ssf_buf_add(out, text, plain);
		text += plain;
		if (*text == '\0')
			return;
		ssf_buf_addc(out, '\\');
		ssf_buf_addc(out, *text == '\n' ? 'n' : *text);
	}
}

/* One bucket has a bound, the last one text; what is no bucket has neither. */
struct le {
	const char *text;
	int64_t bound;
};

static void put_sample(struct ssf_buf *out, const struct metric *m, const char *suffix,
		       const char *const *values, const struct le *le, int64_t value, unsigned decimals)
{
	char before = '{';

	ssf_buf_adds(out, m->name);
	ssf_buf_adds(out, suffix);
	for (size_t i = 0; i < METRIC_LABELS; i++) {
		if (m->labels[i]->name == NULL)
			continue;
		ssf_buf_addc(out, before);
		ssf_buf_adds(out, m->labels[i]->name);
		ssf_buf_adds(out, "=\"");
		put_escaped(out, values[i], true);
		ssf_buf_addc(out, '"');
		before = ',';
	}
	if (le != NULL) {
		ssf_buf_addc(out, before);
		ssf_buf_adds(out, "le=\"");
		if (le->text != NULL)
			ssf_buf_adds(out, le->text);
		else
			put_number(out, le->bound, m->decimals);
		ssf_buf_addc(out, '"');
		before = ',';
	}
	ssf_buf_adds(out, before == ',' ? "} " : " ");
	put_number(out, value, decimals);
	ssf_buf_addc(out, '\n');
}

void metric_write(const struct metric *m, const char *const *values, int64_t value, struct ssf_buf *out)
{
	put_sample(out, m, "", values, NULL, value, m->decimals);
}

/* Buckets are cumulative where they are shown, and not where they are counted. */
static void put_histogram(struct ssf_buf *out, const struct metric *m, const char *const *values,
			  const int64_t *cells)
{
	int64_t count = 0;

	for (size_t i = 0; i <= m->bound_count; i++) {
		struct le le = { i == m->bound_count ? "+Inf" : NULL,
				 i == m->bound_count ? 0 : m->bounds[i] };
		count += cells[i];
		put_sample(out, m, "_bucket", values, &le, count, 0);
	}
	put_sample(out, m, "_sum", values, NULL, cells[m->bound_count + 1], m->decimals);
	put_sample(out, m, "_count", values, NULL, count, 0);
}

static bool all_zero(const int64_t *cells, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (cells[i] != 0)
			return false;
	}
	return true;
}

/* What the labels are in a series; false if there is no such value. */
static bool values_of(const struct metric *m, size_t series, const char *values[METRIC_LABELS])
{
	for (size_t i = METRIC_LABELS; i-- > 0;) {
		values[i] = m->labels[i]->values[series % m->labels[i]->count];
		series /= m->labels[i]->count;
		if (values[i] == NULL)
			return false;
	}
	return true;
}

static void put_metric(struct ssf_buf *out, const struct metric *m, const int64_t *cells)
{
	size_t n = width(m);

	for (size_t series = 0; series < series_count(m); series++) {
		const int64_t *c = cells + m->cell + series * n;
		const char *values[METRIC_LABELS];

		if (!values_of(m, series, values) || (m->sparse && all_zero(c, n)))
			continue;
		if (m->type == METRIC_HISTOGRAM)
			put_histogram(out, m, values, c);
		else
			put_sample(out, m, "", values, NULL, *c, m->decimals);
	}
}

void metrics_text(const struct metric *table, size_t count, const int64_t *cells, metric_more_f *more,
		  void *arg, struct ssf_buf *out)
{
	static const char *const types[] = { "counter", "gauge", "histogram" };

	for (size_t i = 0; i < count; i++) {
		const struct metric *m = &table[i];

		ssf_buf_addf(out, "# HELP %s ", m->name);
		put_escaped(out, m->help, false);
		ssf_buf_addf(out, "\n# TYPE %s %s\n", m->name, types[m->type]);
		if (m->foreign)
			more(arg, i, out);
		else
			put_metric(out, m, cells);
	}
}
