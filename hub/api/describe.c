/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssfhub-describe: a tool of the build, not installed. Prints what is generated from tables in the code, for the
 * documentation and for tests.
 */
#include "hub/api/openapi.h"
#include "hub/registry/kind_page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int print_openapi(void)
{
	json_auto_t *doc = openapi_build(NULL);

	return doc != NULL && json_dumpf(doc, stdout, JSON_INDENT(2)) == 0 && putchar('\n') != EOF ? 0 : 1;
}

static int print_resources(void)
{
	ssf_auto_buf page = SSF_BUF(1024 * 1024);

	kind_page_write(&page);
	return !ssf_buf_failed(&page) && fwrite(page.ptr, 1, page.len, stdout) == page.len ? 0 : 1;
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "openapi") == 0)
		return print_openapi();
	if (argc == 2 && strcmp(argv[1], "resources") == 0)
		return print_resources();
	fprintf(stderr, "usage: ssfhub-describe openapi|resources\n");
	return 2;
}
