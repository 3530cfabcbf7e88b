/* SPDX-License-Identifier: Apache-2.0 */
/* GET /v1/status: all processes of the hub together. */
#pragma once

#include "hub/api/monitor/monitor_api.h"

/*
 * others: the status documents of the other processes; NULL: another process asks, and gets the document of
 * this one.
 */
void monitor_status_get(struct monitor_api *api, const struct api_request *r, const json_t *others);
