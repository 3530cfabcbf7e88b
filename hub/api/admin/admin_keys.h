/* SPDX-License-Identifier: Apache-2.0 */
/* The signing keys for the operator: list, rotate, revoke (docs/how-to/signing-keys.md). */
#pragma once

#include "hub/api/admin/admin_api.h"

void admin_keys_list(const struct admin_api *api, const struct api_request *r);
void admin_keys_rotate(const struct admin_api *api, const struct api_request *r);
void admin_keys_revoke(const struct admin_api *api, const struct api_request *r);
