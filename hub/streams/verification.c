/* SPDX-License-Identifier: Apache-2.0 */
/* Pure but for the random ids. */
#include "hub/streams/verification.h"

#include "hub/streams/stream.h"
#include "lib/kit/uuid.h"
#include "lib/ssf/subject.h"

#include <stdio.h>

#define VERIFICATION "https://schemas.openid.net/secevent/ssf/event-type/verification"

int verification_add(struct drafts *drafts, const char *stream, const char *state, const char *once,
		     struct ssf_err *err)
{
	json_auto_t *sub_id = ssf_subject_opaque(stream);
	json_auto_t *claims = json_object();
	char origin[160], made[UUID_LEN], txn[UUID_LEN];

	if (sub_id == NULL || claims == NULL ||
	    (state != NULL && json_object_set_new(claims, "state", json_string(state)) < 0))
		return ssf_fail(err, SSF_E_NOMEM, "verification");
	snprintf(origin, sizeof(origin), STREAM_ORIGIN "%s", stream);
	uuid_make(made);
	uuid_make(txn);
	struct draft d = { .origin = origin,
			   .origin_id = once != NULL ? once : made,
			   .type = VERIFICATION,
			   .txn = txn,
			   .sub_id = sub_id,
			   .body = claims };
	return draft_add(drafts, &d, err);
}
