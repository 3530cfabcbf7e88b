/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stream configuration by receivers (SSF 1.0 section 8.1.1). A stream is a resource like those that an
 * operator applies, and belongs to the client that created it.
 */
#pragma once

#include "hub/api/ssf/ssf_api.h"

void ssf_streams_create(const struct ssf_api *api, const struct api_request *r);
void ssf_streams_read(const struct ssf_api *api, const struct api_request *r);
void ssf_streams_update(const struct ssf_api *api, const struct api_request *r);
void ssf_streams_replace(const struct ssf_api *api, const struct api_request *r);
void ssf_streams_delete(const struct ssf_api *api, const struct api_request *r);
