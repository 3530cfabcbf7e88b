/* SPDX-License-Identifier: Apache-2.0 */
/* One table of scopes. */
#include "hub/auth/scope.h"

#include "lib/ssf/attr.h"

#include <string.h>

#define ALL_MANAGE                                                                           \
	(PERM_READ | PERM_CREATE | PERM_UPDATE | PERM_DELETE | PERM_STATUS | PERM_SUBJECTS | \
	 PERM_VERIFY | PERM_POLL)

static const struct {
	const char *name;
	unsigned perms;
} scopes[] = {
	{ "ssf.read", PERM_READ },
	{ "ssf.manage", ALL_MANAGE },
	{ "ssf.manage.create", PERM_CREATE },
	{ "ssf.manage.update", PERM_UPDATE },
	{ "ssf.manage.delete", PERM_DELETE },
	{ "ssf.manage.status", PERM_STATUS },
	{ "ssf.manage.subjects", PERM_SUBJECTS },
	{ "ssf.manage.verify", PERM_VERIFY },
	{ "ssf.manage.poll", PERM_POLL },
	{ "ssfhub.emit", PERM_EMIT },
};

unsigned scope_perms(struct ssf_str scope)
{
	for (size_t i = 0; i < SSF_ARRAY_SIZE(scopes); i++) {
		if (ssf_str_eq_c(scope, scopes[i].name))
			return scopes[i].perms;
	}
	return 0;
}

/* Takes the next scope off a list; false at its end. */
static bool next(const char **list, struct ssf_str *scope)
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

	while (next(&list, &scope))
		perms |= scope_perms(scope);
	return perms;
}

bool scope_list_within(const char *list, unsigned allowed)
{
	struct ssf_str scope;
	size_t count = 0;

	if (strlen(list) > SCOPE_MAX)
		return false;
	for (; next(&list, &scope); count++) {
		unsigned perms = scope_perms(scope);
		if (perms == 0 || (perms & ~allowed) != 0)
			return false;
	}
	return count > 0;
}

const char *scope_of(enum perm perm)
{
	for (size_t i = 0; i < SSF_ARRAY_SIZE(scopes); i++) {
		if (scopes[i].perms == (unsigned)perm)
			return scopes[i].name;
	}
	return "";
}

const char *scope_name(unsigned i)
{
	return i < SSF_ARRAY_SIZE(scopes) ? scopes[i].name : NULL;
}
