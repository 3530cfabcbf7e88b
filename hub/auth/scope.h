/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a caller may do, and the OAuth scopes that say so (CAEP interop profile, section OAuth
 * Scopes). "ssf.manage" covers everything that begins with it, and reading.
 */
#pragma once

#include <stdbool.h>

#include "lib/ssf/buf.h"

enum perm {
	PERM_READ = 1 << 0,     /* configuration and status */
	PERM_CREATE = 1 << 1,
	PERM_UPDATE = 1 << 2,
	PERM_DELETE = 1 << 3,
	PERM_STATUS = 1 << 4,
	PERM_SUBJECTS = 1 << 5,
	PERM_VERIFY = 1 << 6,
	PERM_POLL = 1 << 7,
	PERM_EMIT = 1 << 8,     /* POST /v1/events */
};

#define SCOPE_DEFAULT "ssf.read ssf.manage" /* of a client whose resource has none */
#define SCOPE_MAX 512                       /* bytes of a list, without the NUL */

/* The permissions of one scope; 0: not one of ours. */
unsigned scope_perms(struct ssf_str scope);

/* Of a list with blanks between (RFC 6749 section 3.3); what is not ours gives nothing. */
unsigned scope_list_perms(const char *list);

/*
 * Whether a list is well formed, and every scope in it is ours and within allowed. A client that
 * asks for more than it may have gets an error, not less than it thinks.
 */
bool scope_list_within(const char *list, unsigned allowed);

/* The narrowest scope that gives a permission, for WWW-Authenticate. */
const char *scope_of(enum perm perm);

/* The i-th scope there is, NULL after the last: for metadata. */
const char *scope_name(unsigned i);
