/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Typed members of a configuration in JSON. Each function checks one member, and an error names
 * the place: line, column and path of the value (lib/ssf/diagnostic.h). Strings are borrowed.
 */
#pragma once

#include <jansson.h>

#include "lib/ssf/diagnostic.h"

#define CONFIG_READER_STRING_MAX 2048 /* bytes */

/* One object, and where it stands. */
struct config_object {
	const json_t *value;
	const struct ssf_json_path *at;
	struct ssf_diagnostic *diag;
};

/*
 * Whether it is an object with no other members than names, which end with NULL. what: for
 * messages.
 */
ssf_nodiscard int config_reader_object(const struct config_object *o, const char *what,
				       const char *const *names);

/* _opt: a member that is absent leaves *out as it was. */
ssf_nodiscard int config_reader_string(const struct config_object *o, const char *key,
				       const char **out);
ssf_nodiscard int config_reader_opt_string(const struct config_object *o, const char *key,
					   const char **out);
ssf_nodiscard int config_reader_opt_int(const struct config_object *o, const char *key, int64_t min,
					int64_t max, int64_t *out);
/* A string that starts with https://. */
ssf_nodiscard int config_reader_https(const struct config_object *o, const char *key,
				      const char **out);
ssf_nodiscard int config_reader_opt_https(const struct config_object *o, const char *key,
					  const char **out);
/* An array of 1 to max elements; *out stays NULL if it is absent. */
ssf_nodiscard int config_reader_opt_array(const struct config_object *o, const char *key,
					  size_t max, const char *what, const json_t **out);

/*
 * A secret in a file of its own: its only line, without the line's end. path NULL: none. The
 * caller frees it with config_reader_free_secret().
 */
ssf_nodiscard int config_reader_secret_file(const char *key, const char *path, char **out,
					    struct ssf_err *err);
void config_reader_free_secret(char *secret); /* wipes it; NULL is fine */
