/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Typed values from one table. A row gives the key in a file ("key = value", "#" begins a comment), the
 * environment variable (PREFIX_KEY), the option (--key, with dashes or underscores) and the help. The
 * caller applies the sources in the order in which later ones win: defaults, file, environment, command
 * line. A value is checked when it is read; an error names its place and its setting, never the value,
 * which may be a secret.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/ssf/buf.h"
#include "lib/ssf/err.h"

enum setting_type {
	SETTING_STRING,   /* char *, may be NULL */
	SETTING_CHOICE,   /* char *, one of the words of choices */
	SETTING_BOOL,     /* bool: on, off, true, false, yes, no, 1, 0 */
	SETTING_INT,      /* int64_t */
	SETTING_DURATION, /* int64_t milliseconds: 250ms, 10s, 5m, 1h, 7d */
	SETTING_SIZE,     /* int64_t bytes: 512, 64k, 1m, 2g (powers of 1,024) */
};

enum setting_flags {
	SETTING_SECRET = 1,     /* settings_print() does not show the value */
	SETTING_RELOADABLE = 2, /* may change while the program runs */
};

struct setting {
	const char *name;      /* "max_body" */
	enum setting_type type;
	size_t offset;         /* of the member in the caller's struct */
	const char *initial;   /* default as text, or NULL */
	int64_t min, max;      /* of the numeric types; both 0: 0 to INT64_MAX */
	const char *help;      /* one sentence */
	const char *choices;   /* CHOICE: "debug|info|warn|error" */
	unsigned flags;        /* enum setting_flags */
	const char *group;     /* heading in the help; NULL: that of the row before */
	char letter;           /* short option: 'o' for -o; 0: none */
};

enum settings_source {
	SETTINGS_DEFAULT,
	SETTINGS_FILE,
	SETTINGS_ENVIRONMENT,
	SETTINGS_OPTION,
};

/* A table and the struct that it fills; all borrowed. */
struct settings {
	const struct setting *table; /* ends with name NULL */
	void *values;
	unsigned char *sources;      /* an enum settings_source for each row, set with the value; or NULL */
};

#define SETTINGS_NAME_MAX 64

/* What is wrong, and where. */
struct settings_error {
	struct ssf_err err;             /* without the place */
	enum settings_source source;
	char setting[SETTINGS_NAME_MAX]; /* as the user wrote it; "": the line names none */
	char file[256];                 /* FILE: its name */
	unsigned line;                  /* FILE: from 1; 0: the file as a whole */
};

/* "hub.conf:3: max_body: must be ...", "variable SSFHUB_MAX_BODY: ...", "option --max-body: ..." */
void settings_error_text(const struct settings_error *e, char *out, size_t size);

/* All return 0, or -1 with *e filled; values that were set before stay set. */
ssf_nodiscard int settings_defaults(const struct settings *s, struct settings_error *e);
/* One setting by its name; SSF_E_NOT_FOUND: there is none, perhaps with a suggestion. */
ssf_nodiscard int settings_set(const struct settings *s, struct ssf_str name, struct ssf_str value,
			       enum settings_source source, struct settings_error *e);
/* text: a whole file, at most 64 KiB; name is for messages. */
ssf_nodiscard int settings_parse(const struct settings *s, const char *name, struct ssf_str text,
				 struct settings_error *e);
ssf_nodiscard int settings_env(const struct settings *s, const char *prefix,
			       struct settings_error *e);
/*
 * Takes --key value, --key=value, -k value and, for bools, --key and --no-key out of argv; leaves the
 * rest, unknown options included, in order; updates *argc. "--" ends the options and is taken out.
 */
ssf_nodiscard int settings_args(const struct settings *s, int *argc, char **argv,
				struct settings_error *e);
/* Frees the strings. */
void settings_done(const struct settings *s);

/* The row that an option means ("max-body", "max_body"), or NULL. */
const struct setting *settings_find(const struct setting *table, struct ssf_str option);
/* Fails with "no such setting" and a suggestion if a row is near. Returns -1. */
int settings_fail_unknown(const struct setting *table, struct ssf_str word, struct ssf_err *err);
/* A value as it would be written in a file: "4m", "on"; "" for a string that is NULL. */
void settings_value_text(const struct setting *row, const void *values, struct ssf_buf *out);
/* Whether two structs have the same value. */
bool settings_equal(const struct setting *row, const void *a, const void *b);

/* Exchanges the values of one row between two structs. */
void settings_swap(const struct setting *row, void *a, void *b);

/* Every value and its source, in the form of a file; secrets are masked. */
void settings_print(const struct settings *s, FILE *to);
/* Every option with its help, by group. */
void settings_help(const struct setting *table, FILE *to);
/* The word for a value of the row in help texts: "SIZE", "debug|info"; "" for a bool. */
const char *settings_placeholder(const struct setting *row);
