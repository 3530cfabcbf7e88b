/* SPDX-License-Identifier: Apache-2.0 */
/* POST /streams/{id}/poll (RFC 8936), by the process that owns the stream. */
#pragma once

#include "hub/api/stream_api.h"

void ssf_poll_post(const struct stream_api *api, const struct api_request *r);
