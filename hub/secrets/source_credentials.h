/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The secrets of a source resource in the clear, for its adapter, for as long as one call takes.
 */
#pragma once

#include "hub/secrets/seal.h"
#include "transmitters/adapter.h"

struct source_credentials {
	struct adapter_credentials view; /* what the adapter gets; points into this struct */
	struct ssf_buf values[ADAPTER_SECRETS_MAX];
};

/*
 * Opens those secrets of the resource that have one of the flags in the adapter's table
 * (ADAPTER_AUTHENTICATES or ADAPTER_LOOKS_UP). spec is borrowed. SSF_E_KEY: sealed under another
 * master key. Call source_credentials_done() in any case.
 */
ssf_nodiscard int source_credentials_open(const struct master_key *master,
					  const struct source_adapter *adapter, const char *id,
					  const json_t *spec, unsigned flags,
					  struct source_credentials *out, struct ssf_err *err);
void source_credentials_done(struct source_credentials *c); /* wipes them */

#define source_credentials_auto \
	__attribute__((cleanup(source_credentials_done))) struct source_credentials
