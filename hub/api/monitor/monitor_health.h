/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /healthz: the loop turns, as an answer proves, whatever else is away; a restart would not bring it back.
 * GET /readyz: whether to send this process traffic, and why not.
 */
#pragma once

#include "hub/api/monitor/monitor_api.h"

void monitor_health_get(struct monitor_api *api, const struct api_request *r);
void monitor_health_ready(struct monitor_api *api, const struct api_request *r);
