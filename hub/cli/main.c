/* SPDX-License-Identifier: Apache-2.0 */
/* ssfhub: one program, a server and the commands that talk to it. */
#include "hub/cli/cli.h"
#include "hub/server/conf.h"
#include "hub/server/serve.h"

#include <stdio.h>
#include <string.h>

static int help(void)
{
	puts("ssfhub: an OpenID Shared Signals event hub\n"
	     "\n"
	     "  ssfhub serve [--KEY VALUE ...]   run the server\n");
	cli_client_help();
	puts("\nSettings of serve, also as SSFHUB_KEY in the environment and in the --config file:\n");
	settings_help(conf_table, stdout);
	return 0;
}

int main(int argc, char **argv)
{
	const char *command = argc > 1 ? argv[1] : "help";

	if (strcmp(command, "serve") == 0)
		return serve(argc - 1, argv + 1);
	if (strcmp(command, "help") == 0 || strcmp(command, "--help") == 0 ||
	    strcmp(command, "-h") == 0)
		return help();
	if (strcmp(command, "version") == 0 || strcmp(command, "--version") == 0) {
		puts("ssfhub " SSFHUB_VERSION);
		return 0;
	}
	return cli_client(argc - 1, argv + 1);
}
