/* SPDX-License-Identifier: Apache-2.0 */
/* DELETE /v1/revocations/{effect}/{kind}/{target}: lifts a revocation or suspension. */
#pragma once

#include "hub/api/admin/admin_api.h"

void admin_lift_delete(const struct admin_api *api, const struct api_request *r);
