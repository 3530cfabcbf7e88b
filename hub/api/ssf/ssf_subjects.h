/* SPDX-License-Identifier: Apache-2.0 */
/* Subjects of a receiver's own stream (SSF 1.0 section 8.1.3), by the process that owns the stream. */
#pragma once

#include "hub/api/stream_api.h"

void ssf_subjects_add(const struct stream_api *api, const struct api_request *r);
void ssf_subjects_remove(const struct stream_api *api, const struct api_request *r);
