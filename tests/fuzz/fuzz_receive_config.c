/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration file of ssf-receive, without the files that it names. */
#include "receivers/ssf-receive/config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	ssf_auto(config) c = NULL;
	ssf_auto_free char *text = malloc(size > 0 ? size : 1);
	struct ssf_err err;

	if (text == NULL)
		return 0;
	if (size > 0)
		memcpy(text, data, size);
	if (config_parse("fuzz", text, size, &c, &err) == 0 && c->rules.count == 0)
		abort();
	return 0;
}
