/* SPDX-License-Identifier: Apache-2.0 */
/* The settings of `ssfhub serve` as a struct; what each means stands in settings.def. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/kit/settings.h"

#define CONF_TYPE_STRING char *
#define CONF_TYPE_BOOL bool
#define CONF_TYPE_INT int64_t
#define CONF_TYPE_DURATION int64_t /* milliseconds */
#define CONF_TYPE_SIZE int64_t     /* bytes */

struct conf {
#define SETTING(type, name, initial, min, max, group, when, shown, help) CONF_TYPE_##type name;
#define CHOICE(name, initial, choices, group, when, shown, help) char *name;
#include "hub/server/settings.def"
};

enum {
#define SETTING(type, name, ...) CONF_ROW_##name,
#define CHOICE(name, ...) CONF_ROW_##name,
#include "hub/server/settings.def"
	CONF_COUNT
};

extern const struct setting conf_table[CONF_COUNT + 1];

/* Where each value came from: an enum settings_source for each row. */
struct conf_sources {
	unsigned char of[CONF_COUNT];
};

/*
 * Defaults, then the file that "config" names, then SSFHUB_* variables, then the command line: argv from
 * the command's name on, of which nothing but settings may be left. argv is not changed. *c must be
 * released with conf_done() when this succeeds.
 */
ssf_nodiscard int conf_load(struct conf *c, struct conf_sources *sources, int argc, char *const *argv,
			    struct settings_error *e);
void conf_done(struct conf *c);

void conf_print(const struct conf *c, const struct conf_sources *sources, FILE *to);

/*
 * Takes over the values of fresh that may change while the server runs. Calls refused for each other
 * setting that differs and keeps the value of c.
 */
void conf_reload(struct conf *c, struct conf *fresh, void (*refused)(void *arg, const char *name),
		 void *arg);
