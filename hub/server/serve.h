/* SPDX-License-Identifier: Apache-2.0 */
/* The command `ssfhub serve`. */
#pragma once

/* argv from "serve" on. Returns an exit status: 2 when a setting is wrong. */
int serve(int argc, char *const *argv);

/* `ssfhub serve --print-settings`: shows every setting, its value and its source, and starts nothing. */
#define SERVE_PRINT_SETTINGS "--print-settings"
