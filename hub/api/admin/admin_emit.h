/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /v1/events: the operator, or a client with the scope ssfhub.emit, emits one event of the catalogue,
 * which goes to every stream that wants it.
 * Body: {"type": URI or short name, "subject": {...}, "claims": {...}, "txn", "reason"}.
 */
#pragma once

#include "hub/api/admin/admin_api.h"

void admin_emit_post(const struct admin_api *api, const struct api_request *r);
