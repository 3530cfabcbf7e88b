/* SPDX-License-Identifier: Apache-2.0 */
/* The SSF endpoints that any process serves (SSF 1.0 sections 7 and 8.1). */
#pragma once

#include "hub/activity/stream_activity.h"
#include "hub/api/api_request.h"
#include "hub/api/issuer.h"
#include "hub/keys/keyring.h"
#include "hub/registry/resource_check.h"
#include "hub/registry/resource_writer.h"

/* All borrowed. */
struct ssf_api {
	struct registry *registry;
	struct resource_writer *writer;
	struct stream_activity *activity;
	struct keyring *keyring;
	struct resource_checker check;
	const struct issuer *issuer;
	const json_t *critical_members; /* critical_subject_members: array of names, or NULL */
	int64_t max_streams;            /* of one client */
	bool default_all;               /* default_subjects of new streams: ALL, else NONE */
	int64_t verify_interval_s;      /* min_verification_interval */
	int64_t inactivity_s;           /* inactivity_timeout of streams without one; 0: none */
};

#define SSF_API_TEXT_MAX 1024 /* bytes of description, reason, state */
