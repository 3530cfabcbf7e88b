/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests of sources: POST /in/{source}. Runs the adapter of the source's type
 * (transmitters/adapter.h) and knows no vendor itself.
 */
#pragma once

#include "hub/ingest/ingest.h"

/*
 * Takes the request over and answers it. source: id of the resource; path: what stands behind it in
 * the URL, "" if nothing.
 *
 * There is no handle: the request cancels itself. If the client goes away while keys are fetched, it
 * ends; once its events are being appended, it runs to the commit, since they may be stored already.
 */
void source_request_start(struct ingest *in, struct http_req *req, const char *source,
			  const char *path);
