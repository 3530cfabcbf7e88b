/* SPDX-License-Identifier: Apache-2.0 */
/* The settings of `ssfhub serve`; the table in conf.c is also --help and docs/reference/settings.md. */
#pragma once

#include <stdint.h>

#include "lib/kit/settings.h"

struct conf {
	char *data;
	char *listen;
	int64_t processes;
	char *peer_listen;
	char *peer_host;
	char *issuer;
	char *database;
	char *pg_bindir;
	char *config;
	char *tls_cert;
	char *tls_key;
	bool tls_off;
	char *ca_file;
	char *push_allow;
	bool push_allow_http;
	int64_t max_body;
	int64_t max_connections;
	int64_t request_timeout;
	int64_t push_timeout;
	int64_t retry_min;
	int64_t retry_max;
	int64_t delivery_max_age;
	int64_t retention;
	int64_t partition;
	int64_t poll_wait;
	int64_t max_streams;
	char *default_subjects;
	char *critical_subject_members;
	int64_t subject_removal_grace;
	int64_t min_verification_interval;
	int64_t token_lifetime;
	int64_t rate_limit_client;
	int64_t rate_limit_address;
	bool forwarded_for;
	int64_t key_rotation;
	int64_t key_publish_ahead;
	int64_t key_keep;
	int64_t heartbeat;
	int64_t inactivity_timeout;
	int64_t backlog_limit;
	int64_t checkpoint;
	int64_t drain_timeout;
	int64_t database_connections;
	int64_t database_timeout;
	int64_t crypto_threads;
	char *metrics_listen;
	int64_t metrics_streams;
	char *log_level;
};

extern const struct setting conf_table[];

/* Defaults, then the file that "config" names, then SSFHUB_* variables, then the command line. */
ssf_nodiscard int conf_load(struct conf *c, int *argc, char **argv, struct ssf_err *err);
void conf_done(struct conf *c);
