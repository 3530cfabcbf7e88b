/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /events (RFC 8935): SETs that registered transmitters push to the hub.
 */
#pragma once

#include "hub/ingest/ingest.h"

/* Takes the request over and answers it. There is no handle, as with source_request_start(). */
void set_request_start(struct ingest *in, struct http_req *req);
