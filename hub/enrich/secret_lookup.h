/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One question to the API of a source's vendor: which secret is this signal about? What is
 * asked, and how the answer is read, is the adapter's (adapter_lookup); this module makes the
 * call.
 */
#pragma once

#include "hub/secrets/seal.h"
#include "lib/http/http_client.h"
#include "transmitters/adapter.h"

struct secret_lookup;

struct secret_lookup_result {
	enum adapter_lookup_result outcome;
	const uint8_t *fingerprint; /* of SSF_SHA256_LEN bytes; NULL unless FOUND */
	json_t *more;               /* with FOUND: members to add to the signal's detail */
	int retry_after_s;          /* with RETRY: as the API asked, or -1 */
};

/* Borrowed for the call. An answer that cannot be used is ADAPTER_LOOKUP_DENIED. */
typedef void secret_lookup_f(void *arg, const struct secret_lookup_result *r);

/* Everything is borrowed until f is called or the handle is cancelled. */
struct secret_lookup_spec {
	const struct source_adapter *adapter;
	const char *source;   /* id of the resource */
	const json_t *spec;   /* the resource */
	const json_t *detail; /* of the signal */
	int64_t seq;          /* of the signal, for the log */
};

/*
 * The call has a deadline of 10 s. SSF_E_NOT_FOUND: the source has nobody to ask, because its
 * type has no lookup or its resource no token. Other errors: it cannot be asked, and never will
 * be.
 */
ssf_nodiscard int secret_lookup_start(struct http_client *client, const struct master_key *master,
				      const struct secret_lookup_spec *spec, secret_lookup_f *f,
				      void *arg, struct secret_lookup **out, struct ssf_err *err);
void secret_lookup_cancel(struct secret_lookup *l);
