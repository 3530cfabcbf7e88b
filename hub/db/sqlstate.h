/* SPDX-License-Identifier: Apache-2.0 */
/* SQLSTATEs (PostgreSQL, Appendix A) as error codes of the hub. Pure. */
#pragma once

#include "lib/ssf/err.h"

/*
 * SSF_E_CONFLICT: serialization_failure, which is also what functions in sql/ raise for a write that somebody else
 * was quicker with. SSF_E_UNAVAILABLE: the server's state is at fault, the statement may be repeated.
 * SSF_E_INTERNAL: the statement itself is refused and would be again. state NULL: SSF_E_INTERNAL.
 */
enum ssf_code sqlstate_code(const char *state);

/*
 * The text that goes to the caller of the hub. What PostgreSQL says names hosts, users and tables: that is for
 * the log only.
 */
const char *sqlstate_public_text(enum ssf_code code);
