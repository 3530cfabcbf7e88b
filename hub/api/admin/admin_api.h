/* SPDX-License-Identifier: Apache-2.0 */
/* The operator's endpoints that any process serves. */
#pragma once

#include "hub/api/api_request.h"
#include "hub/ingest/batch.h"
#include "hub/keys/key_manager.h"
#include "hub/registry/resource_check.h"
#include "hub/registry/resource_writer.h"

/* All borrowed. */
struct admin_api {
	struct registry *registry;
	struct resource_writer *writer;
	struct db *db;
	struct batch *batch;
	struct keyring *keyring;
	struct key_manager *key_manager;
	struct resource_checker check;
};
