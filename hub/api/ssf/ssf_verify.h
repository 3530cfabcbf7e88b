/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verification on request (SSF 1.0 section 8.1.4.2), by the process that owns the stream: it remembers when
 * each stream was last verified, for min_verification_interval.
 */
#pragma once

#include "hub/api/stream_api.h"

struct ssf_verify *ssf_verify_new(void); /* NULL when out of memory */
void ssf_verify_free(struct ssf_verify *v);

void ssf_verify_post(const struct stream_api *api, const struct api_request *r);
