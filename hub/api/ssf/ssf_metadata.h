/* SPDX-License-Identifier: Apache-2.0 */
/* Transmitter metadata (SSF 1.0 section 7.1) and the hub's public keys. */
#pragma once

#include "hub/api/ssf/ssf_api.h"

#define SSF_METADATA_JWKS "/jwks.json"

void ssf_metadata_get(const struct ssf_api *api, const struct api_request *r);
void ssf_metadata_jwks(const struct ssf_api *api, const struct api_request *r);
