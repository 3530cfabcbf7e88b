/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Process settings from one table: the same entry gives the key in the file
 * ("key = value", # comments), the variable (PREFIX_KEY), the option (--key, with
 * dashes), the help and the documentation. Later ones win: default, file, environment,
 * command line. Values are checked when read; errors say where they came from (file and line).
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "lib/ssf/buf.h"
#include "lib/ssf/err.h"

enum setting_type {
	SETTING_STRING,   /* char *, may be NULL */
	SETTING_BOOL,     /* bool: on, off, true, false, yes, no, 1, 0 */
	SETTING_INT,      /* int64_t */
	SETTING_DURATION, /* int64_t milliseconds: 250ms, 10s, 5m, 1h, 7d */
	SETTING_SIZE,     /* int64_t bytes: 512, 64k, 1m, 2g (powers of 1,024) */
};

struct setting {
	const char *name;      /* "max_body" */
	enum setting_type type;
	size_t offset;         /* of the member in the caller's struct */
	const char *initial;   /* default as text, or NULL */
	int64_t min, max;      /* of the numeric types; both 0: 0 to INT64_MAX */
	const char *help;      /* one sentence */
};

/* Table ends with name NULL. Frees nothing that was not set by these functions. */
ssf_nodiscard int settings_defaults(const struct setting *table, void *out, struct ssf_err *err);
ssf_nodiscard int settings_set(const struct setting *table, void *out, struct ssf_str name,
			       struct ssf_str value, struct ssf_err *err);
/* The text of a settings file, at most 64 KiB; name is for messages. */
ssf_nodiscard int settings_parse(const struct setting *table, void *out, const char *name,
				 struct ssf_str text, struct ssf_err *err);
ssf_nodiscard int settings_env(const struct setting *table, void *out, const char *prefix,
			       struct ssf_err *err);
/*
 * Takes --key value, --key=value and, for bools, --key and --no-key out of argv; leaves
 * the rest in order, updates *argc. "--" ends options.
 */
ssf_nodiscard int settings_args(const struct setting *table, void *out, int *argc, char **argv,
				struct ssf_err *err);
void settings_done(const struct setting *table, void *out); /* frees the strings */
void settings_help(const struct setting *table, FILE *to);
