/* SPDX-License-Identifier: Apache-2.0 */
/* GET /metrics: Prometheus' text format (docs/reference/metrics.md). */
#pragma once

#include "hub/api/monitor/monitor_api.h"

/*
 * Writes what is a state now (not a counter) into the cells of this process, where any process that is
 * scraped finds it.
 */
void monitor_metrics_collect(struct monitor_api *api);

void monitor_metrics_get(struct monitor_api *api, const struct api_request *r);
