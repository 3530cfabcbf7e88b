/* SPDX-License-Identifier: Apache-2.0 */
/* Prints, and asks nobody. What is not known is shown as "?", what never was as "-". */
#include "hub/cli/streams.h"

#include "lib/ssf/attr.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WIDTH 100
#define ERROR_MIN 20
#define SPAN_TEXT 24

struct widths {
	int id, owner;
};

static const char *text(const json_t *stream, const char *key)
{
	const char *value = json_string_value(json_object_get(stream, key));

	return value != NULL ? value : "-";
}

static long long number(const json_t *stream, const char *key)
{
	return json_integer_value(json_object_get(stream, key));
}

/* In its largest unit: 59s, 3m, 30d. */
static void span_text(long long seconds, char out[SPAN_TEXT])
{
	static const struct {
		long long seconds;
		char unit;
	} units[] = { { 86400, 'd' }, { 3600, 'h' }, { 60, 'm' }, { 1, 's' } };
	size_t i = 0;

	seconds = seconds > 0 ? seconds : 0; /* the hub's clock may be ahead of ours */
	while (units[i].seconds > 1 && seconds < units[i].seconds)
		i++;
	snprintf(out, SPAN_TEXT, "%lld%c", seconds / units[i].seconds, units[i].unit);
}

/* How long ago a time of the hub's was. */
static void age_text(const json_t *stream, const char *key, int64_t now, char out[SPAN_TEXT])
{
	struct tm tm = { .tm_isdst = 0 };

	if (strptime(text(stream, key), "%Y-%m-%dT%H:%M:%SZ", &tm) != NULL)
		span_text((long long)(now - timegm(&tm)), out);
	else
		snprintf(out, SPAN_TEXT, "-");
}

/* Of events that were not looked at yet nobody knows whether they are for this stream, and from when. */
static void oldest_text(const json_t *stream, char out[SPAN_TEXT])
{
	if (number(stream, "waiting_events") > 0)
		span_text(number(stream, "oldest_age_s"), out);
	else
		snprintf(out, SPAN_TEXT, number(stream, "unread_seqs") > 0 ? "?" : "-");
}

static void print_stream(const json_t *stream, const struct widths *w, int64_t now, FILE *to)
{
	bool healthy = json_is_true(json_object_get(stream, "healthy"));
	char oldest[SPAN_TEXT], success[SPAN_TEXT], error[SPAN_TEXT];
	int used;

	oldest_text(stream, oldest);
	age_text(stream, "last_success_at", now, success);
	age_text(stream, "last_error_at", now, error);
	used = fprintf(to, "%-*s %-*s %-6s %-8s %-3s %7lld %6lld %6s %7s %5s", w->id,
		       text(stream, "id"), w->owner, text(stream, "client"), text(stream, "method"),
		       text(stream, "status"), healthy ? "yes" : "no",
		       number(stream, "backlog"), number(stream, "dead_letters"), oldest, success,
		       error);
	if (json_object_get(stream, "last_error") != NULL)
		fprintf(to, " %.*s", used + 1 + ERROR_MIN < WIDTH ? WIDTH - used - 1 : ERROR_MIN,
			text(stream, "last_error"));
	fputc('\n', to);
}

static int by_id(const void *a, const void *b)
{
	return strcmp(text(*(json_t *const *)a, "id"), text(*(json_t *const *)b, "id"));
}

void streams_print(const json_t *streams, int64_t now, FILE *to)
{
	size_t count = json_array_size(streams), i;
	ssf_auto_free const json_t **sorted = calloc(count + 1, sizeof(*sorted));
	struct widths w = { (int)strlen("STREAM"), (int)strlen("OWNER") };
	const json_t *stream;

	if (sorted == NULL)
		return;
	json_array_foreach(streams, i, stream) {
		int id = (int)strlen(text(stream, "id")), owner = (int)strlen(text(stream, "client"));
		w.id = id > w.id ? id : w.id;
		w.owner = owner > w.owner ? owner : w.owner;
		sorted[i] = stream;
	}
	qsort(sorted, count, sizeof(*sorted), by_id);
	fprintf(to, "%-*s %-*s %-6s %-8s %-3s %7s %6s %6s %7s %5s\n", w.id, "STREAM", w.owner, "OWNER",
		"METHOD", "STATUS", "OK", "BACKLOG", "DEAD", "OLDEST", "SUCCESS", "ERROR");
	for (i = 0; i < count; i++)
		print_stream(sorted[i], &w, now, to);
}
