/* SPDX-License-Identifier: Apache-2.0 */
/* Owns the table of scopes. "ssf.manage" includes reading and every scope that begins with it. */
#include "hub/scopes/scope.h"

#include "lib/ssf/attr.h"

#include <string.h>

#define PERM_MANAGE                                                                          \
	(PERM_READ | PERM_CREATE | PERM_UPDATE | PERM_DELETE | PERM_STATUS | PERM_SUBJECTS | \
	 PERM_VERIFY | PERM_POLL)

#define SCOPES(X)                                \
	X("ssf.read", PERM_READ)                 \
	X("ssf.manage", PERM_MANAGE)             \
	X("ssf.manage.create", PERM_CREATE)      \
	X("ssf.manage.update", PERM_UPDATE)      \
	X("ssf.manage.delete", PERM_DELETE)      \
	X("ssf.manage.status", PERM_STATUS)      \
	X("ssf.manage.subjects", PERM_SUBJECTS)  \
	X("ssf.manage.verify", PERM_VERIFY)      \
	X("ssf.manage.poll", PERM_POLL)          \
	X("ssfhub.emit", PERM_EMIT)

#define NAME(name, perms) name,
const char *const scope_names[] = { SCOPES(NAME) NULL };
#undef NAME

#define PERMS(name, perms) perms,
static const unsigned perms_of[] = { SCOPES(PERMS) };
#undef PERMS

unsigned scope_perms(struct ssf_str scope)
{
	for (size_t i = 0; i < SSF_ARRAY_SIZE(perms_of); i++) {
		if (ssf_str_eq_c(scope, scope_names[i]))
			return perms_of[i];
	}
	return 0;
}

/* Takes the next scope off the list; false at its end. */
static bool next_scope(const char **list, struct ssf_str *scope)
{
	*list += strspn(*list, " ");
	*scope = (struct ssf_str){ *list, strcspn(*list, " ") };
	*list += scope->len;
	return scope->len > 0;
}

unsigned scope_list_perms(const char *list)
{
	struct ssf_str scope;
	unsigned perms = 0;

	while (next_scope(&list, &scope))
		perms |= scope_perms(scope);
	return perms;
}

unsigned scope_array_perms(const json_t *scopes)
{
	const json_t *scope;
	unsigned perms = 0;
	size_t i;

	if (scopes == NULL)
		return scope_list_perms(SCOPE_DEFAULT);
	json_array_foreach(scopes, i, scope)
		perms |= scope_perms(ssf_str_c(json_string_value(scope)));
	return perms;
}

bool scope_list_within(const char *list, unsigned allowed)
{
	struct ssf_str scope;
	size_t count = 0;

	if (strlen(list) > SCOPE_MAX)
		return false;
	for (; next_scope(&list, &scope); count++) {
		unsigned perms = scope_perms(scope);
		if (perms == 0 || (perms & ~allowed) != 0)
			return false;
	}
	return count > 0;
}

const char *scope_of(enum perm perm)
{
	for (size_t i = 0; i < SSF_ARRAY_SIZE(perms_of); i++) {
		if (perms_of[i] == (unsigned)perm)
			return scope_names[i];
	}
	return "";
}
