/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What only the process that owns a stream can do: everything that needs the stream's delivery state, which
 * is in the memory of its owner. Handlers that need it are named in a STREAM_ROUTE of routes.def, and the
 * router gives this struct to nobody else: a stream route that is declared as an ordinary one does not
 * compile.
 */
#pragma once

#include "hub/activity/stream_activity.h"
#include "hub/api/api_request.h"

/* All borrowed but verifications. */
struct stream_api {
	struct deliver *deliver;
	struct registry *registry;
	struct db *db;
	struct owner *owner;
	struct batch *batch;
	struct stream_activity *activity;
	int64_t removal_grace_s;       /* a removed subject keeps flowing for so long */
	int64_t verify_interval_s;     /* between two verifications of a stream */
	struct ssf_verify *verifications; /* ssf_verify.h */
};
