/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secret scanning alerts of GitHub: a webhook names repository and alert, the REST API tells the
 * secret (docs.github.com, "REST API endpoints for secret scanning").
 */
#pragma once

#include "transmitters/adapter.h"

/* GET {api.url}/repos/{owner}/{repo}/secret-scanning/alerts/{number}, with api.token. */
extern const struct adapter_lookup github_alert_lookup;

/* "owner/name", safe to be put into a URL as it is. */
bool github_is_repository(const char *full_name);
