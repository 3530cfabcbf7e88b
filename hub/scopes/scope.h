/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The OAuth scopes of the hub and what each of them permits (CAEP interop profile, section OAuth
 * Scopes, and "ssfhub.emit"). Pure: knows neither tokens nor clients.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "lib/ssf/buf.h"

enum perm {
	PERM_NONE = 0,
	PERM_READ = 1 << 0,     /* configuration and status of streams */
	PERM_CREATE = 1 << 1,
	PERM_UPDATE = 1 << 2,
	PERM_DELETE = 1 << 3,
	PERM_STATUS = 1 << 4,
	PERM_SUBJECTS = 1 << 5,
	PERM_VERIFY = 1 << 6,
	PERM_POLL = 1 << 7,
	PERM_EMIT = 1 << 8,     /* POST /v1/events */
};

#define SCOPE_DEFAULT "ssf.read ssf.manage" /* of a client whose resource lists no scopes */
#define SCOPE_MAX 512                       /* bytes of a list, without the NUL */

/* All scopes, NULL-terminated: for metadata and for the values of a client's "scopes". */
extern const char *const scope_names[];

/* The permissions of one scope; 0: the hub does not know it. */
unsigned scope_perms(struct ssf_str scope);

/* The permissions of a space-separated list (RFC 6749 section 3.3); unknown scopes permit nothing. */
unsigned scope_list_perms(const char *list);

/* The permissions of an array of scopes; NULL: those of SCOPE_DEFAULT. */
unsigned scope_array_perms(const json_t *scopes);

/*
 * Whether the list is well formed and each of its scopes is known and within allowed. A client that
 * asks for more than it may have gets an error, not silently less.
 */
bool scope_list_within(const char *list, unsigned allowed);

/* The narrowest scope that grants a permission, for WWW-Authenticate; "" for PERM_NONE. */
const char *scope_of(enum perm perm);
