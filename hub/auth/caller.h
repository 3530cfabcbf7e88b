/* SPDX-License-Identifier: Apache-2.0 */
/* Who sent an authenticated request, and what this caller may do. */
#pragma once

#include <stdbool.h>

#define CALLER_CLIENT_LEN 129 /* the id of a resource and its NUL */

struct caller {
	bool admin;                     /* the operator */
	bool metrics;                   /* may read metrics and nothing else */
	char client[CALLER_CLIENT_LEN]; /* id of the client resource; "" for the two above */
	unsigned perms;                 /* enum perm, of a client */
};
