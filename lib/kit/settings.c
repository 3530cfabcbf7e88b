/* SPDX-License-Identifier: Apache-2.0 */
/* Text to typed members of the caller's struct, with a place in every error. */
#include "lib/kit/settings.h"

#include "lib/ssf/attr.h"

#include <ctype.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX (64 * 1024)
#define NAME_MAX_LEN 64

struct unit {
	const char *name;
	int64_t factor;
};

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
	[SETTING_BOOL] = { NULL, "on or off", "" },
	[SETTING_INT] = { no_units, "a number", "NUMBER" },
	[SETTING_DURATION] = { durations, "a duration such as 250ms, 10s, 5m, 1h, 7d", "DURATION" },
	[SETTING_SIZE] = { sizes, "a size such as 512, 64k, 1m, 2g", "SIZE" },
};

static const struct setting *find(const struct setting *table, struct ssf_str name)
{
	for (const struct setting *s = table; s->name != NULL; s++) {
		if (ssf_str_eq_c(name, s->name))
			return s;
	}
	return NULL;
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

static void free_string(char **member)
{
	if (*member != NULL)
		OPENSSL_cleanse(*member, strlen(*member));
	free(*member);
	*member = NULL;
}

static int set_string(const struct setting *s, char **member, struct ssf_str value,
		      struct ssf_err *err)
{
	char *copy;

	for (size_t i = 0; i < value.len; i++) {
		if ((unsigned char)value.ptr[i] < ' ' || value.ptr[i] == 0x7f)
			return ssf_fail(err, SSF_E_MALFORMED, "%s: has a control character",
					s->name);
	}
	copy = ssf_str_dup(value);
	if (copy == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "%s: out of memory", s->name);
	free_string(member);
	*member = copy;
	return 0;
}

static int set_number(const struct setting *s, int64_t *member, struct ssf_str value,
		      struct ssf_err *err)
{
	bool unlimited = s->min == 0 && s->max == 0;
	int64_t max = unlimited ? INT64_MAX : s->max;
	int64_t n;

	if (parse_number(value, types[s->type].units, &n) < 0)
		return ssf_fail(err, SSF_E_MALFORMED, "%s: must be %s", s->name,
				types[s->type].expected);
	if (n < s->min || n > max)
		return ssf_fail(err, SSF_E_MALFORMED, "%s: must be from %lld to %lld%s", s->name,
				(long long)s->min, (long long)max,
				s->type == SETTING_DURATION ? " ms" : "");
	*member = n;
	return 0;
}

static int set_value(const struct setting *s, void *out, struct ssf_str value, struct ssf_err *err)
{
	char *member = (char *)out + s->offset;

	switch (s->type) {
	case SETTING_STRING:
		return set_string(s, (char **)(void *)member, value, err);
	case SETTING_BOOL:
		if (parse_bool(value, (bool *)(void *)member) < 0)
			return ssf_fail(err, SSF_E_MALFORMED, "%s: must be %s", s->name,
					types[s->type].expected);
		return 0;
	case SETTING_INT:
	case SETTING_DURATION:
	case SETTING_SIZE:
		break;
	}
	return set_number(s, (int64_t *)(void *)member, value, err);
}

int settings_defaults(const struct setting *table, void *out, struct ssf_err *err)
{
	for (const struct setting *s = table; s->name != NULL; s++) {
		if (s->initial != NULL && set_value(s, out, ssf_str_c(s->initial), err) < 0)
			return -1;
	}
	return 0;
}

int settings_set(const struct setting *table, void *out, struct ssf_str name, struct ssf_str value,
		 struct ssf_err *err)
{
	const struct setting *s = find(table, name);

	if (s == NULL)
		return ssf_fail(err, SSF_E_NOT_FOUND, "no such setting");
	return set_value(s, out, value, err);
}

/* A comment starts the line or follows a blank, so that values may hold a '#'. */
static struct ssf_str without_comment(struct ssf_str line)
{
	for (size_t i = 0; i < line.len; i++) {
		if (line.ptr[i] == '#' &&
		    (i == 0 || line.ptr[i - 1] == ' ' || line.ptr[i - 1] == '\t'))
			line.len = i;
	}
	return trim(line);
}

static int parse_line(const struct setting *table, void *out, struct ssf_str line,
		      struct ssf_err *err)
{
	const char *equals;
	size_t len;

	line = without_comment(line);
	if (line.len == 0)
		return 0;
	equals = memchr(line.ptr, '=', line.len);
	if (equals == NULL)
		return ssf_fail(err, SSF_E_MALFORMED, "not of the form \"key = value\"");
	len = (size_t)(equals - line.ptr);
	return settings_set(table, out, trim((struct ssf_str){ line.ptr, len }),
			    trim((struct ssf_str){ equals + 1, line.len - len - 1 }), err);
}

int settings_parse(const struct setting *table, void *out, const char *name, struct ssf_str text,
		   struct ssf_err *err)
{
	unsigned number = 0;

	if (text.len > FILE_MAX)
		return ssf_fail(err, SSF_E_LIMIT, "%s: larger than 64 KiB", name);
	while (text.len > 0) {
		const char *newline = memchr(text.ptr, '\n', text.len);
		size_t len = newline != NULL ? (size_t)(newline - text.ptr) : text.len;

		number++;
		if (parse_line(table, out, (struct ssf_str){ text.ptr, len }, err) < 0)
			return ssf_fail_prefix(err, "%s:%u", name, number);
		if (newline != NULL)
			len++;
		text.ptr += len;
		text.len -= len;
	}
	return 0;
}

int settings_env(const struct setting *table, void *out, const char *prefix, struct ssf_err *err)
{
	for (const struct setting *s = table; s->name != NULL; s++) {
		ssf_auto_free char *name = NULL;
		const char *value;

		if (asprintf(&name, "%s_%s", prefix, s->name) < 0) {
			name = NULL;
			return ssf_fail(err, SSF_E_NOMEM, "%s: out of memory", s->name);
		}
		for (char *p = name; *p != '\0'; p++)
			*p = (char)toupper((unsigned char)*p);
		value = getenv(name);
		if (value != NULL && set_value(s, out, ssf_str_c(value), err) < 0)
			return ssf_fail_prefix(err, "variable %s", name);
	}
	return 0;
}

/* "max-body" finds "max_body". */
static const struct setting *find_option(const struct setting *table, struct ssf_str option)
{
	char name[NAME_MAX_LEN];

	if (option.len > sizeof(name))
		return NULL;
	for (size_t i = 0; i < option.len; i++)
		name[i] = option.ptr[i] == '-' ? '_' : option.ptr[i];
	return find(table, (struct ssf_str){ name, option.len });
}

/*
 * How many words of argv were one of our options: 0 (not ours), 1 or 2; -1 for a
 * bad value. next is NULL at the end.
 */
static int take_option(const struct setting *table, void *out, const char *word, const char *next,
		       struct ssf_err *err)
{
	size_t len = strcspn(word, "=");
	const struct setting *s = find_option(table, (struct ssf_str){ word, len });
	const char *value = word[len] == '=' ? word + len + 1 : NULL;
	int used = 1;

	if (s == NULL && value == NULL && strncmp(word, "no-", 3) == 0) {
		s = find_option(table, ssf_str_c(word + 3));
		if (s == NULL || s->type != SETTING_BOOL)
			return 0;
		value = "off";
	}
	if (s == NULL)
		return 0;
	if (value == NULL && s->type == SETTING_BOOL) {
		value = "on";
	} else if (value == NULL) {
		if (next == NULL)
			return ssf_fail(err, SSF_E_MALFORMED, "option --%s: needs a value", word);
		value = next;
		used = 2;
	}
	if (set_value(s, out, ssf_str_c(value), err) < 0)
		return ssf_fail_prefix(err, "option --%.*s", (int)len, word);
	return used;
}

int settings_args(const struct setting *table, void *out, int *argc, char **argv,
		  struct ssf_err *err)
{
	int kept = *argc > 0 ? 1 : 0;
	int i = kept;

	while (i < *argc) {
		int used = 0;

		if (strcmp(argv[i], "--") == 0) {
			i++;
			break;
		}
		if (strncmp(argv[i], "--", 2) == 0)
			used = take_option(table, out, argv[i] + 2,
					   i + 1 < *argc ? argv[i + 1] : NULL, err);
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

void settings_done(const struct setting *table, void *out)
{
	for (const struct setting *s = table; s->name != NULL; s++) {
		if (s->type == SETTING_STRING)
			free_string((char **)(void *)((char *)out + s->offset));
	}
}

void settings_help(const struct setting *table, FILE *to)
{
	for (const struct setting *s = table; s->name != NULL; s++) {
		fputs(s->type == SETTING_BOOL ? "  --[no-]" : "  --", to);
		for (const char *p = s->name; *p != '\0'; p++)
			fputc(*p == '_' ? '-' : *p, to);
		fprintf(to, "%s%s\n      %s", s->type == SETTING_BOOL ? "" : " ",
			types[s->type].placeholder, s->help);
		if (s->initial != NULL)
			fprintf(to, " Default: %s.", s->initial);
		fputc('\n', to);
	}
}
