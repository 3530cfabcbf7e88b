/* SPDX-License-Identifier: Apache-2.0 */
#include "receivers/lib/config_reader.h"

#include "lib/kit/file.h"
#include "lib/ssf/attr.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#define SECRET_MAX 4096

static bool is_listed(const char *key, const char *const *names)
{
	for (; *names != NULL; names++) {
		if (strcmp(key, *names) == 0)
			return true;
	}
	return false;
}

int config_reader_object(const struct config_object *o, const char *what,
			 const char *const *names)
{
	const char *key;
	json_t *value;

	if (!json_is_object(o->value))
		return ssf_diagnose(o->diag, o->at, "%s must be an object", what);
	json_object_foreach((json_t *)o->value, key, value) {
		if (!is_listed(key, names))
			return ssf_diagnose_member(o->diag, o->at, key,
						   "%s: unknown member \"%.40s\"", what, key);
	}
	return 0;
}

int config_reader_opt_string(const struct config_object *o, const char *key, const char **out)
{
	const json_t *value = json_object_get(o->value, key);

	if (value == NULL)
		return 0;
	if (json_string_length(value) == 0 ||
	    json_string_length(value) > CONFIG_READER_STRING_MAX)
		return ssf_diagnose_member(o->diag, o->at, key,
					   "%s must be a string of 1 to %d bytes", key,
					   CONFIG_READER_STRING_MAX);
	*out = json_string_value(value);
	return 0;
}

int config_reader_string(const struct config_object *o, const char *key, const char **out)
{
	if (json_object_get(o->value, key) == NULL)
		return ssf_diagnose(o->diag, o->at, "%s is missing", key);
	return config_reader_opt_string(o, key, out);
}

int config_reader_opt_int(const struct config_object *o, const char *key, int64_t min, int64_t max,
			  int64_t *out)
{
	const json_t *value = json_object_get(o->value, key);

	if (value == NULL)
		return 0;
	if (!json_is_integer(value) || json_integer_value(value) < min ||
	    json_integer_value(value) > max)
		return ssf_diagnose_member(o->diag, o->at, key,
					   "%s must be an integer from %lld to %lld", key,
					   (long long)min, (long long)max);
	*out = json_integer_value(value);
	return 0;
}

int config_reader_opt_https(const struct config_object *o, const char *key, const char **out)
{
	const char *url = NULL;

	if (config_reader_opt_string(o, key, &url) < 0)
		return -1;
	if (url != NULL && (strncmp(url, "https://", 8) != 0 || url[8] == '\0'))
		return ssf_diagnose_member(o->diag, o->at, key, "%s must start with https://", key);
	if (url != NULL)
		*out = url;
	return 0;
}

int config_reader_https(const struct config_object *o, const char *key, const char **out)
{
	if (json_object_get(o->value, key) == NULL)
		return ssf_diagnose(o->diag, o->at, "%s is missing", key);
	return config_reader_opt_https(o, key, out);
}

int config_reader_opt_array(const struct config_object *o, const char *key, size_t max,
			    const char *what, const json_t **out)
{
	const json_t *value = json_object_get(o->value, key);

	if (value == NULL)
		return 0;
	if (json_array_size(value) == 0)
		return ssf_diagnose_member(o->diag, o->at, key,
					   "%s must be an array of %s, not empty", key, what);
	if (json_array_size(value) > max)
		return ssf_diagnose_member(o->diag, o->at, key, "%s: more than %zu %s", key, max,
					   what);
	*out = value;
	return 0;
}

int config_reader_secret_file(const char *key, const char *path, char **out, struct ssf_err *err)
{
	ssf_auto_buf text = SSF_BUF(SECRET_MAX);

	if (path == NULL)
		return 0;
	if (file_read(path, &text, err) < 0)
		return ssf_fail_prefix(err, "%s", key);
	while (text.len > 0 && strchr("\r\n", text.ptr[text.len - 1]) != NULL)
		text.ptr[--text.len] = '\0';
	if (text.len == 0 || strlen(text.ptr) != text.len || strpbrk(text.ptr, "\r\n") != NULL)
		return ssf_fail(err, SSF_E_MALFORMED, "%s: the file must hold one line", key);
	*out = ssf_buf_steal(&text);
	return *out == NULL ? ssf_fail(err, SSF_E_NOMEM, "%s: out of memory", key) : 0;
}

void config_reader_free_secret(char *secret)
{
	if (secret != NULL)
		OPENSSL_cleanse(secret, strlen(secret));
	free(secret);
}
