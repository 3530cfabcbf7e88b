/* SPDX-License-Identifier: Apache-2.0 */
/* settings_parse: any text is either refused or leaves values within their bounds. */
#include "lib/kit/settings.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

struct conf {
	char *name;
	bool on;
	int64_t count;
	int64_t wait;
	int64_t size;
};

static const struct setting table[] = {
	{ .name = "name", .type = SETTING_STRING, .offset = offsetof(struct conf, name), .initial = NULL,
	  .min = 0, .max = 0, .help = "" },
	{ .name = "on", .type = SETTING_BOOL, .offset = offsetof(struct conf, on), .initial = NULL,
	  .min = 0, .max = 0, .help = "" },
	{ .name = "count", .type = SETTING_INT, .offset = offsetof(struct conf, count), .initial = NULL,
	  .min = -10, .max = 10, .help = "" },
	{ .name = "wait", .type = SETTING_DURATION, .offset = offsetof(struct conf, wait), .initial = NULL,
	  .min = 0, .max = 0, .help = "" },
	{ .name = "size", .type = SETTING_SIZE, .offset = offsetof(struct conf, size), .initial = NULL,
	  .min = 0, .max = 1 << 20, .help = "" },
	{ .name = NULL },
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf c = { 0 };
	struct settings_error e;
	const struct settings settings = { table, &c, NULL };

	(void)!settings_parse(&settings, "fuzz", (struct ssf_str){ (const char *)data, size }, &e);
	if (c.count < -10 || c.count > 10 || c.wait < 0 || c.size < 0 || c.size > 1 << 20)
		abort();
	settings_done(&settings);
	return 0;
}
