/* SPDX-License-Identifier: Apache-2.0 */
/* The health of one stream, by the process that owns it: for its receiver and for the operator. */
#pragma once

#include "hub/api/stream_api.h"

void ssf_health_get(const struct stream_api *api, const struct api_request *r);
/* GET /v1/streams/{id}/health, by the operator. */
void ssf_health_admin_get(const struct stream_api *api, const struct api_request *r);
