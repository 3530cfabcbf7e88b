/* SPDX-License-Identifier: Apache-2.0 */
/* Owns the table that settings.def describes, and the order in which its sources apply. */
#include "hub/server/conf.h"

#include "lib/kit/file.h"
#include "lib/ssf/attr.h"

#include <stdlib.h>
#include <string.h>

#define FILE_MAX (64 * 1024)
#define WHEN_RESTART 0
#define WHEN_RELOAD SETTING_RELOADABLE
#define SHOWN_PUBLIC 0
#define SHOWN_SECRET SETTING_SECRET

#define GROUP(id, title) static const char group_##id[] = title;
#include "hub/server/settings.def"

const struct setting conf_table[CONF_COUNT + 1] = {
#define SETTING(kind, member, start, low, high, in, when, shown, text) \
	{ .name = #member, .type = SETTING_##kind, .offset = offsetof(struct conf, member), \
	  .initial = start, .min = low, .max = high, .group = group_##in, \
	  .flags = WHEN_##when | SHOWN_##shown, .help = text },
#define CHOICE(member, start, words, in, when, shown, text) \
	{ .name = #member, .type = SETTING_CHOICE, .offset = offsetof(struct conf, member), \
	  .initial = start, .choices = words, .group = group_##in, \
	  .flags = WHEN_##when | SHOWN_##shown, .help = text },
#include "hub/server/settings.def"
};

static struct settings conf_settings(struct conf *c, struct conf_sources *sources)
{
	return (struct settings){ conf_table, c, sources != NULL ? sources->of : NULL };
}

/* The environment or the command line names the file, so both are searched for that before they apply. */
static const char *config_path(int argc, char *const *argv)
{
	const char *path = getenv("SSFHUB_CONFIG");

	for (int i = 1; i < argc; i++) {
		if (strncmp(argv[i], "--config=", 9) == 0)
			path = argv[i] + 9;
		else if (strcmp(argv[i], "--config") == 0 && i + 1 < argc)
			path = argv[i + 1];
	}
	return path;
}

static int load_file(const struct settings *s, const char *path, struct settings_error *e)
{
	ssf_auto_buf text = SSF_BUF(FILE_MAX);

	if (file_read(path, &text, &e->err) < 0) {
		e->source = SETTINGS_FILE;
		e->line = 0;
		snprintf(e->file, sizeof(e->file), "%s", path);
		snprintf(e->setting, sizeof(e->setting), "config");
		return -1;
	}
	return settings_parse(s, path, ssf_buf_str(&text), e);
}

static int fail_unknown(const char *word, struct settings_error *e)
{
	size_t len = strcspn(word, "="); /* the value may be a secret */

	e->source = SETTINGS_OPTION;
	snprintf(e->setting, sizeof(e->setting), "%.*s", (int)len, word);
	if (strncmp(word, "--", 2) != 0)
		return ssf_fail(&e->err, SSF_E_MALFORMED, "serve takes settings only");
	return settings_fail_unknown(conf_table, (struct ssf_str){ word + 2, len - 2 }, &e->err);
}

static int apply_sources(const struct settings *s, int argc, char *const *argv,
			 struct settings_error *e)
{
	ssf_auto_free char **words = calloc((size_t)argc + 1, sizeof(*words));
	const char *path = config_path(argc, argv);

	if (words == NULL)
		return ssf_fail(&e->err, SSF_E_NOMEM, "out of memory");
	memcpy(words, argv, (size_t)argc * sizeof(*words));
	if (settings_defaults(s, e) < 0 || (path != NULL && load_file(s, path, e) < 0) ||
	    settings_env(s, "SSFHUB", e) < 0 || settings_args(s, &argc, words, e) < 0)
		return -1;
	return argc > 1 ? fail_unknown(words[1], e) : 0;
}

int conf_load(struct conf *c, struct conf_sources *sources, int argc, char *const *argv,
	      struct settings_error *e)
{
	const struct settings s = conf_settings(c, sources);

	memset(c, 0, sizeof(*c));
	memset(sources, SETTINGS_DEFAULT, sizeof(*sources));
	memset(e, 0, sizeof(*e));
	if (apply_sources(&s, argc, argv, e) < 0) {
		conf_done(c);
		return -1;
	}
	return 0;
}

void conf_done(struct conf *c)
{
	const struct settings s = conf_settings(c, NULL);

	settings_done(&s);
}

void conf_print(const struct conf *c, const struct conf_sources *sources, FILE *to)
{
	const struct settings s = conf_settings((struct conf *)(uintptr_t)c,
						(struct conf_sources *)(uintptr_t)sources);

	settings_print(&s, to);
}

void conf_reload(struct conf *c, struct conf *fresh, void (*refused)(void *arg, const char *name),
		 void *arg)
{
	for (const struct setting *row = conf_table; row->name != NULL; row++) {
		if (settings_equal(row, c, fresh))
			continue;
		if (row->flags & SETTING_RELOADABLE)
			settings_swap(row, c, fresh);
		else
			refused(arg, row->name);
	}
}
