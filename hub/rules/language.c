/* SPDX-License-Identifier: Apache-2.0 */
#include "hub/rules/language.h"

#include <string.h>

bool language_listed(const char *name, const char *const *names)
{
	for (; *names != NULL; names++) {
		if (strcmp(name, *names) == 0)
			return true;
	}
	return false;
}

int language_check_root(struct ssf_diagnostic *diag, const struct ssf_json_path *at,
			const char *root)
{
	static const char *const joins[] = { "$agent", "$owner", "$credential", NULL };
	static const char *const later[] = { "$sponsor", "$tool", "$token", "$receiver", NULL };

	if (root[0] != '$' || language_listed(root, joins))
		return 0;
	if (language_listed(root, later))
		return ssf_diagnose(diag, at, "\"%s\" is not supported by this version", root);
	return ssf_diagnose(diag, at, "events have no \"%s\"", root);
}

int language_only_members(struct ssf_diagnostic *diag, const struct ssf_json_path *at,
			  const json_t *object, const char *const *names,
			  const char *const *later)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)object, key, value) {
		if (language_listed(key, names))
			continue;
		if (later != NULL && language_listed(key, later))
			return ssf_diagnose_member(diag, at, key,
						   "\"%s\" is not supported by this version", key);
		return ssf_diagnose_member(diag, at, key, "unknown key \"%s\"", key);
	}
	return 0;
}
