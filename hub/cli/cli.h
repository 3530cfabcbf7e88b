/* SPDX-License-Identifier: Apache-2.0 */
/* The subcommands of ssfhub. Each takes argv from its own name on and returns an exit status. */
#pragma once

int cli_client(int argc, char **argv); /* apply, get, delete, status, explain ... */
void cli_client_help(void);
