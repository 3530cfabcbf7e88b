/* SPDX-License-Identifier: Apache-2.0 */
/* What the operator reads from the database: events, explanations, revocations, dead letters. */
#pragma once

#include "hub/api/admin/admin_api.h"

void admin_reports_events(const struct admin_api *api, const struct api_request *r);
void admin_reports_unattributed(const struct admin_api *api, const struct api_request *r);
void admin_reports_explain(const struct admin_api *api, const struct api_request *r);
void admin_reports_revocations(const struct admin_api *api, const struct api_request *r);
void admin_reports_dead_letters(const struct admin_api *api, const struct api_request *r);
