/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /v1/streams/{id}/redrive and /rewind: sends dead letters, or a part of the log, to a stream again. By
 * the process that owns the stream.
 */
#pragma once

#include "hub/api/stream_api.h"

void admin_replay_redrive(const struct stream_api *api, const struct api_request *rq);
void admin_replay_rewind(const struct stream_api *api, const struct api_request *rq);
