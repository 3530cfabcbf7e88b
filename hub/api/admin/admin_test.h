/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /v1/streams/{id}/test: sends a verification event and answers what became of it. By the process that
 * owns the stream.
 */
#pragma once

#include "hub/api/stream_api.h"

void admin_test_post(const struct stream_api *api, const struct api_request *r);
