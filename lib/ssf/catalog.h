/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event types of CAEP 1.0, RISC 1.0 and SSF 1.0: URI, short name as rules
 * write it ("caep:session-revoked"), and the members that the specification
 * requires. One table, catalog.def.
 */
#pragma once

#include <jansson.h>

#include "lib/ssf/err.h"

struct ssf_event_type {
	const char *uri;
	const char *name;          /* "caep:credential-change" */
	const char *required[4];   /* required members, NULL-terminated */
	int control;               /* SSF's own: verification, stream-updated */
};

const struct ssf_event_type *ssf_event_types(size_t *count);
const struct ssf_event_type *ssf_event_by_uri(const char *uri);   /* NULL if not in the table */
const struct ssf_event_type *ssf_event_by_name(const char *name);

/*
 * Checks the members of one event: required ones present with their JSON types
 * and enumerated values (change_type, current_level ...), the common optional
 * ones of CAEP 1.0 section 2 well typed. type NULL (not in the table): the
 * value need only be an object.
 */
ssf_nodiscard int ssf_event_check(const struct ssf_event_type *type, const json_t *claims,
				  struct ssf_err *err);

/*
 * Whether a subject of this format may be that of the event: RISC 1.0 narrows it for some. Looks at
 * nothing but "format". For what we send: what others sent goes on as it came.
 */
ssf_nodiscard int ssf_event_check_subject(const struct ssf_event_type *type, const json_t *subject,
					  struct ssf_err *err);

/*
 * The members of an event as they go out, whoever it came from: reason_admin of CAEP events is
 * there and says something (CAEP interop profile, section 3), event_timestamp is in seconds
 * where others wrote milliseconds. The same for the same input. type NULL, or of SSF's own: as
 * they are. New reference, or NULL when out of memory.
 */
json_t *ssf_event_outgoing(const struct ssf_event_type *type, const json_t *claims);
