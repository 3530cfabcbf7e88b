/* SPDX-License-Identifier: Apache-2.0 */
/* Converts text to typed members of the caller's struct. Every error has a place. */
#include "lib/kit/settings.h"

#include "lib/kit/suggest.h"
#include "lib/ssf/attr.h"

#include <ctype.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX (64 * 1024)

struct unit {
	const char *name;
	int64_t factor;
};

/* From the smallest on. */
static const struct unit no_units[] = { { "", 1 }, { NULL, 0 } };
static const struct unit durations[] = {
	{ "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 }, { NULL, 0 },
};
static const struct unit sizes[] = {
	{ "", 1 }, { "k", 1 << 10 }, { "m", 1 << 20 }, { "g", 1 << 30 }, { NULL, 0 },
};

static const struct type_info {
	const struct unit *units;
	const char *expected;
	const char *placeholder;
} types[] = {
	[SETTING_STRING] = { NULL, "a text", "TEXT" },
	[SETTING_CHOICE] = { NULL, "one of", "" },
	[SETTING_BOOL] = { NULL, "on or off", "" },
	[SETTING_INT] = { no_units, "a number", "NUMBER" },
	[SETTING_DURATION] = { durations, "a duration such as 250ms, 10s, 5m, 1h, 7d", "DURATION" },
	[SETTING_SIZE] = { sizes, "a size such as 512, 64k, 1m, 2g", "SIZE" },
};

/* --- values ------------------------------------------------------------------------------------- */

static bool is_string(const struct setting *row)
{
	return row->type == SETTING_STRING || row->type == SETTING_CHOICE;
}

static char **string_member(const struct setting *row, const void *values)
{
	return (char **)(void *)((char *)(uintptr_t)values + row->offset);
}

static int64_t *number_member(const struct setting *row, const void *values)
{
	return (int64_t *)(void *)((char *)(uintptr_t)values + row->offset);
}

static bool *bool_member(const struct setting *row, const void *values)
{
	return (bool *)(void *)((char *)(uintptr_t)values + row->offset);
}

static struct ssf_str trim(struct ssf_str v)
{
	while (v.len > 0 && (v.ptr[0] == ' ' || v.ptr[0] == '\t'))
		v = (struct ssf_str){ v.ptr + 1, v.len - 1 };
	while (v.len > 0 && strchr(" \t\r", v.ptr[v.len - 1]) != NULL && v.ptr[v.len - 1] != '\0')
		v.len--;
	return v;
}

static int parse_number(struct ssf_str text, const struct unit *units, int64_t *out)
{
	bool negative = text.len > 0 && text.ptr[0] == '-';
	size_t i = negative ? 1 : 0;
	size_t first = i;
	int64_t n = 0;

	for (; i < text.len && text.ptr[i] >= '0' && text.ptr[i] <= '9'; i++) {
		if (__builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, text.ptr[i] - '0', &n))
			return -1;
	}
	if (i == first)
		return -1;
	struct ssf_str unit = { text.ptr + i, text.len - i };
	for (; units->name != NULL; units++) {
		if (!ssf_str_eq_c(unit, units->name))
			continue;
		if (__builtin_mul_overflow(n, units->factor, &n))
			return -1;
		*out = negative ? -n : n;
		return 0;
	}
	return -1;
}

static int parse_bool(struct ssf_str text, bool *out)
{
	static const char *const words[][2] = {
		{ "off", "on" }, { "false", "true" }, { "no", "yes" }, { "0", "1" },
	};

	for (size_t i = 0; i < SSF_ARRAY_SIZE(words); i++) {
		for (int value = 0; value < 2; value++) {
			if (ssf_str_ieq_c(text, words[i][value])) {
				*out = value == 1;
				return 0;
			}
		}
	}
	return -1;
}

static bool is_choice(const char *choices, struct ssf_str value)
{
	for (const char *p = choices;; p++) {
		size_t len = strcspn(p, "|");
		if (ssf_str_eq(value, (struct ssf_str){ p, len }))
			return true;
		p += len;
		if (*p == '\0')
			return false;
	}
}

static void free_string(char **member)
{
	if (*member != NULL)
		OPENSSL_cleanse(*member, strlen(*member));
	free(*member);
	*member = NULL;
}

static int set_string(const struct setting *row, char **member, struct ssf_str value,
		      struct ssf_err *err)
{
	char *copy;

	for (size_t i = 0; i < value.len; i++) {
		if ((unsigned char)value.ptr[i] < ' ' || value.ptr[i] == 0x7f)
			return ssf_fail(err, SSF_E_MALFORMED, "has a control character");
	}
	if (row->type == SETTING_CHOICE && !is_choice(row->choices, value))
		return ssf_fail(err, SSF_E_MALFORMED, "must be one of %s", row->choices);
	copy = ssf_str_dup(value);
	if (copy == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "out of memory");
	free_string(member);
	*member = copy;
	return 0;
}

/* The largest unit that the number is a multiple of. */
static void number_text(const struct setting *row, int64_t n, struct ssf_buf *out)
{
	const struct unit *u = types[row->type].units, *best = u;
	char text[32];

	for (; u->name != NULL; u++) {
		if (n != 0 && n % u->factor == 0)
			best = u;
	}
	if (n == 0 && row->type == SETTING_DURATION)
		best++; /* "0s" */
	snprintf(text, sizeof(text), "%lld%s", (long long)(n / best->factor), best->name);
	ssf_buf_adds(out, text);
}

static int set_number(const struct setting *row, int64_t *member, struct ssf_str value,
		      struct ssf_err *err)
{
	int64_t max = row->min == 0 && row->max == 0 ? INT64_MAX : row->max;
	int64_t n;

	if (parse_number(value, types[row->type].units, &n) < 0)
		return ssf_fail(err, SSF_E_MALFORMED, "must be %s", types[row->type].expected);
	if (n < row->min || n > max) {
		ssf_auto_buf low = SSF_BUF(32), high = SSF_BUF(32);

		number_text(row, row->min, &low);
		number_text(row, max, &high);
		return ssf_fail(err, SSF_E_MALFORMED, "must be from %s to %s", low.ptr, high.ptr);
	}
	*member = n;
	return 0;
}

static int set_value(const struct settings *s, const struct setting *row, struct ssf_str value,
		     enum settings_source source, struct ssf_err *err)
{
	int r;

	if (is_string(row))
		r = set_string(row, string_member(row, s->values), value, err);
	else if (row->type == SETTING_BOOL)
		r = parse_bool(value, bool_member(row, s->values)) == 0 ?
			    0 :
			    ssf_fail(err, SSF_E_MALFORMED, "must be %s", types[row->type].expected);
	else
		r = set_number(row, number_member(row, s->values), value, err);
	if (r == 0 && s->sources != NULL)
		s->sources[row - s->table] = (unsigned char)source;
	return r;
}

void settings_value_text(const struct setting *row, const void *values, struct ssf_buf *out)
{
	if (is_string(row))
		ssf_buf_adds(out, *string_member(row, values) != NULL ? *string_member(row, values) : "");
	else if (row->type == SETTING_BOOL)
		ssf_buf_adds(out, *bool_member(row, values) ? "on" : "off");
	else
		number_text(row, *number_member(row, values), out);
}

bool settings_equal(const struct setting *row, const void *a, const void *b)
{
	const char *x, *y;

	if (row->type == SETTING_BOOL)
		return *bool_member(row, a) == *bool_member(row, b);
	if (!is_string(row))
		return *number_member(row, a) == *number_member(row, b);
	x = *string_member(row, a);
	y = *string_member(row, b);
	return x == NULL || y == NULL ? x == y : strcmp(x, y) == 0;
}

void settings_swap(const struct setting *row, void *a, void *b)
{
	size_t size = is_string(row)		 ? sizeof(char *) :
		      row->type == SETTING_BOOL ? sizeof(bool) :
						  sizeof(int64_t);
	char *x = (char *)a + row->offset, *y = (char *)b + row->offset;
	char kept[sizeof(int64_t) > sizeof(char *) ? sizeof(int64_t) : sizeof(char *)];

	memcpy(kept, x, size);
	memcpy(x, y, size);
	memcpy(y, kept, size);
}

/* --- errors ------------------------------------------------------------------------------------- */

/* Adds the place, without file and line, to e->err; returns -1. */
static int fail_at(struct settings_error *e, enum settings_source source, struct ssf_str setting)
{
	e->source = source;
	e->file[0] = '\0';
	e->line = 0;
	snprintf(e->setting, sizeof(e->setting), "%.*s", (int)setting.len,
		 setting.ptr != NULL ? setting.ptr : "");
	return -1;
}

void settings_error_text(const struct settings_error *e, char *out, size_t size)
{
	const char *colon = e->setting[0] != '\0' ? ": " : "";

	if (e->source == SETTINGS_FILE && e->line > 0)
		snprintf(out, size, "%s:%u: %s%s%s", e->file, e->line, e->setting, colon, e->err.msg);
	else if (e->source == SETTINGS_FILE)
		snprintf(out, size, "%s: %s%s%s", e->file, e->setting, colon, e->err.msg);
	else if (e->source == SETTINGS_ENVIRONMENT)
		snprintf(out, size, "variable %s: %s", e->setting, e->err.msg);
	else if (e->source == SETTINGS_OPTION)
		snprintf(out, size, "option %s: %s", e->setting, e->err.msg);
	else
		snprintf(out, size, "%s%s%s", e->setting, colon, e->err.msg);
}

/* --- sources ------------------------------------------------------------------------------------ */

int settings_defaults(const struct settings *s, struct settings_error *e)
{
	for (const struct setting *row = s->table; row->name != NULL; row++) {
		if (row->initial != NULL &&
		    set_value(s, row, ssf_str_c(row->initial), SETTINGS_DEFAULT, &e->err) < 0)
			return fail_at(e, SETTINGS_DEFAULT, ssf_str_c(row->name));
	}
	return 0;
}

static const struct setting *find_name(const struct setting *table, struct ssf_str name)
{
	for (const struct setting *row = table; row->name != NULL; row++) {
		if (ssf_str_eq_c(name, row->name))
			return row;
	}
	return NULL;
}

int settings_fail_unknown(const struct setting *table, struct ssf_str word, struct ssf_err *err)
{
	ssf_auto_free char *copy = ssf_str_dup(word);
	struct suggest s = { .word = copy };

	if (copy == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "out of memory");
	for (; table->name != NULL; table++)
		suggest_offer(&s, table->name);
	if (s.best == NULL)
		return ssf_fail(err, SSF_E_NOT_FOUND, "no such setting");
	return ssf_fail(err, SSF_E_NOT_FOUND, "no such setting; did you mean %s?", s.best);
}

/* A "#" begins a comment at the start of a line or after a blank, so that values may hold one. */
static struct ssf_str without_comment(struct ssf_str line)
{
	for (size_t i = 0; i < line.len; i++) {
		if (line.ptr[i] == '#' &&
		    (i == 0 || line.ptr[i - 1] == ' ' || line.ptr[i - 1] == '\t'))
			line.len = i;
	}
	return trim(line);
}

int settings_set(const struct settings *s, struct ssf_str name, struct ssf_str value,
		 enum settings_source source, struct settings_error *e)
{
	const struct setting *row = find_name(s->table, name);

	if (row == NULL)
		settings_fail_unknown(s->table, name, &e->err);
	else if (set_value(s, row, value, source, &e->err) == 0)
		return 0;
	return fail_at(e, source, name);
}

static int parse_line(const struct settings *s, struct ssf_str line, struct settings_error *e)
{
	const char *equals;
	size_t len;

	line = without_comment(line);
	if (line.len == 0)
		return 0;
	equals = memchr(line.ptr, '=', line.len);
	if (equals == NULL) {
		ssf_fail(&e->err, SSF_E_MALFORMED, "not of the form \"key = value\"");
		return fail_at(e, SETTINGS_FILE, SSF_STR(""));
	}
	len = (size_t)(equals - line.ptr);
	return settings_set(s, trim((struct ssf_str){ line.ptr, len }),
			    trim((struct ssf_str){ equals + 1, line.len - len - 1 }), SETTINGS_FILE, e);
}

int settings_parse(const struct settings *s, const char *name, struct ssf_str text,
		   struct settings_error *e)
{
	unsigned line = 0;
	int r = 0;

	if (text.len > FILE_MAX) {
		ssf_fail(&e->err, SSF_E_LIMIT, "larger than 64 KiB");
		r = fail_at(e, SETTINGS_FILE, SSF_STR(""));
	}
	while (r == 0 && text.len > 0) {
		const char *newline = memchr(text.ptr, '\n', text.len);
		size_t len = newline != NULL ? (size_t)(newline - text.ptr) : text.len;

		line++;
		r = parse_line(s, (struct ssf_str){ text.ptr, len }, e);
		if (newline != NULL)
			len++;
		text.ptr += len;
		text.len -= len;
	}
	if (r < 0) {
		snprintf(e->file, sizeof(e->file), "%s", name);
		e->line = line;
	}
	return r;
}

int settings_env(const struct settings *s, const char *prefix, struct settings_error *e)
{
	for (const struct setting *row = s->table; row->name != NULL; row++) {
		char name[SETTINGS_NAME_MAX];
		const char *value;

		snprintf(name, sizeof(name), "%s_%s", prefix, row->name);
		for (char *p = name; *p != '\0'; p++)
			*p = (char)toupper((unsigned char)*p);
		value = getenv(name);
		if (value != NULL &&
		    set_value(s, row, ssf_str_c(value), SETTINGS_ENVIRONMENT, &e->err) < 0)
			return fail_at(e, SETTINGS_ENVIRONMENT, ssf_str_c(name));
	}
	return 0;
}

const struct setting *settings_find(const struct setting *table, struct ssf_str option)
{
	char name[SETTINGS_NAME_MAX];

	if (option.len > sizeof(name))
		return NULL;
	for (size_t i = 0; i < option.len; i++)
		name[i] = option.ptr[i] == '-' ? '_' : option.ptr[i];
	return find_name(table, (struct ssf_str){ name, option.len });
}

static const struct setting *find_letter(const struct setting *table, char letter)
{
	for (const struct setting *row = table; row->name != NULL; row++) {
		if (row->letter == letter && letter != '\0')
			return row;
	}
	return NULL;
}

/* An option as it stands in argv. */
struct option {
	const struct setting *row; /* NULL: not in the table */
	struct ssf_str word;       /* "--max-body", "-o" */
	const char *value;         /* NULL: the next word, or none for a bool */
};

static struct option find_option(const struct setting *table, const char *word)
{
	struct option o = { .word = { word, strcspn(word, "=") } };

	if (word[0] == '-' && word[1] != '-' && word[1] != '\0') {
		o.row = find_letter(table, word[1]);
		o.word.len = 2;
		if (word[2] != '\0')
			o.value = word + 2;
		return o;
	}
	if (strncmp(word, "--", 2) != 0)
		return o;
	o.row = settings_find(table, (struct ssf_str){ word + 2, o.word.len - 2 });
	if (word[o.word.len] == '=')
		o.value = word + o.word.len + 1;
	if (o.row == NULL && o.value == NULL && strncmp(word, "--no-", 5) == 0) {
		o.row = settings_find(table, ssf_str_c(word + 5));
		if (o.row != NULL && o.row->type != SETTING_BOOL)
			o.row = NULL;
		o.value = "off";
	}
	return o;
}

/* How many words the option took: 0 if it is not in the table; -1 for a bad value. next: NULL at the end. */
static int take_option(const struct settings *s, const char *word, const char *next,
		       struct settings_error *e)
{
	struct option o = find_option(s->table, word);
	int used = 1;

	if (o.row == NULL)
		return 0;
	if (o.value == NULL && o.row->type == SETTING_BOOL) {
		o.value = "on";
	} else if (o.value == NULL) {
		if (next == NULL) {
			ssf_fail(&e->err, SSF_E_MALFORMED, "needs a value");
			return fail_at(e, SETTINGS_OPTION, o.word);
		}
		o.value = next;
		used = 2;
	}
	if (set_value(s, o.row, ssf_str_c(o.value), SETTINGS_OPTION, &e->err) < 0)
		return fail_at(e, SETTINGS_OPTION, o.word);
	return used;
}

int settings_args(const struct settings *s, int *argc, char **argv, struct settings_error *e)
{
	int kept = *argc > 0 ? 1 : 0;
	int i = kept;

	while (i < *argc) {
		int used;

		if (strcmp(argv[i], "--") == 0) {
			i++;
			break;
		}
		used = take_option(s, argv[i], i + 1 < *argc ? argv[i + 1] : NULL, e);
		if (used < 0)
			return -1;
		if (used == 0)
			argv[kept++] = argv[i++];
		i += used;
	}
	while (i < *argc)
		argv[kept++] = argv[i++];
	*argc = kept;
	argv[kept] = NULL;
	return 0;
}

void settings_done(const struct settings *s)
{
	for (const struct setting *row = s->table; row->name != NULL; row++) {
		if (is_string(row))
			free_string(string_member(row, s->values));
	}
}

/* --- output ------------------------------------------------------------------------------------- */

void settings_print(const struct settings *s, FILE *to)
{
	static const char *const sources[] = {
		[SETTINGS_DEFAULT] = "default",
		[SETTINGS_FILE] = "file",
		[SETTINGS_ENVIRONMENT] = "environment",
		[SETTINGS_OPTION] = "command line",
	};

	for (const struct setting *row = s->table; row->name != NULL; row++) {
		ssf_auto_buf value = SSF_BUF(64 * 1024);
		int source = s->sources != NULL ? s->sources[row - s->table] : SETTINGS_DEFAULT;

		settings_value_text(row, s->values, &value);
		if (value.len == 0)
			fprintf(to, "# %s is not set\n", row->name);
		else if (row->flags & SETTING_SECRET)
			fprintf(to, "%s = ********  # %s, masked\n", row->name, sources[source]);
		else
			fprintf(to, "%s = %s  # %s\n", row->name, value.ptr, sources[source]);
	}
}

const char *settings_placeholder(const struct setting *row)
{
	return row->type == SETTING_CHOICE ? row->choices : types[row->type].placeholder;
}

void settings_help(const struct setting *table, FILE *to)
{
	for (const struct setting *row = table; row->name != NULL; row++) {
		if (row->group != NULL && (row == table || strcmp(row->group, row[-1].group) != 0))
			fprintf(to, "%s%s:\n", row == table ? "" : "\n", row->group);
		fputs("  ", to);
		if (row->letter != '\0')
			fprintf(to, "-%c, ", row->letter);
		fputs(row->type == SETTING_BOOL ? "--[no-]" : "--", to);
		for (const char *p = row->name; *p != '\0'; p++)
			fputc(*p == '_' ? '-' : *p, to);
		fprintf(to, "%s%s\n      %s", row->type == SETTING_BOOL ? "" : " ",
			settings_placeholder(row), row->help);
		if (row->initial != NULL)
			fprintf(to, " Default: %s.", row->initial);
		fputc('\n', to);
	}
}
