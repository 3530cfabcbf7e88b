/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of the data directory but those of the private PostgreSQL: master.key, admin.token,
 * metrics.token, the development CA, and hub.url, which tells the commands where the hub is. What is
 * missing is made; what exists is never overwritten, except hub.url.
 */
#pragma once

#include "hub/secrets/seal.h"
#include "hub/server/conf.h"
#include "lib/ssf/buf.h"

struct data_files {
	struct master_key *master;
	uint8_t admin[SSF_SHA256_LEN];   /* digest of admin.token */
	uint8_t metrics[SSF_SHA256_LEN]; /* digest of metrics.token, which may read metrics only */
};

ssf_nodiscard int data_files_open(const struct conf *conf, struct data_files *out,
				  struct ssf_err *err);
void data_files_done(struct data_files *f);

ssf_nodiscard int data_files_write_url(const struct conf *conf, unsigned port, struct ssf_err *err);
