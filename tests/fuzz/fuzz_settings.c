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
	{ "name", SETTING_STRING, offsetof(struct conf, name), NULL, 0, 0, "" },
	{ "on", SETTING_BOOL, offsetof(struct conf, on), NULL, 0, 0, "" },
	{ "count", SETTING_INT, offsetof(struct conf, count), NULL, -10, 10, "" },
	{ "wait", SETTING_DURATION, offsetof(struct conf, wait), NULL, 0, 0, "" },
	{ "size", SETTING_SIZE, offsetof(struct conf, size), NULL, 0, 1 << 20, "" },
	{ NULL, SETTING_STRING, 0, NULL, 0, 0, NULL },
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf c = { 0 };
	struct ssf_err err;

	(void)!settings_parse(table, &c, "fuzz", (struct ssf_str){ (const char *)data, size }, &err);
	if (c.count < -10 || c.count > 10 || c.wait < 0 || c.size < 0 || c.size > 1 << 20)
		abort();
	settings_done(table, &c);
	return 0;
}
