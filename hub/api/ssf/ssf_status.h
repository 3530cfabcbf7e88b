/* SPDX-License-Identifier: Apache-2.0 */
/* A stream's status for its receiver (SSF 1.0 section 8.1.2). */
#pragma once

#include "hub/api/ssf/ssf_api.h"

void ssf_status_get(const struct ssf_api *api, const struct api_request *r);
void ssf_status_set(const struct ssf_api *api, const struct api_request *r);
