/* SPDX-License-Identifier: Apache-2.0 */
/* Resources: apply (all or nothing), list, get, delete. */
#pragma once

#include "hub/api/admin/admin_api.h"

void admin_resources_apply(const struct admin_api *api, const struct api_request *r);
void admin_resources_list(const struct admin_api *api, const struct api_request *r);
void admin_resources_get(const struct admin_api *api, const struct api_request *r);
void admin_resources_delete(const struct admin_api *api, const struct api_request *r);
