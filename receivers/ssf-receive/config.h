/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration of ssf-receive: one JSON file, comments allowed, described in
 * docs/reference/ssf-receive.md. Unknown members are errors, and every error says where
 * (file:line:column). It is read once, at the start, and constant from then on.
 */
#pragma once

#include <jansson.h>

#include "lib/ssf/attr.h"
#include "receivers/lib/poll_client.h"
#include "receivers/lib/push_endpoint.h"
#include "receivers/sinks/redis/purge_rules.h"

#define CONFIG_MAX_BYTES (256 * 1024)

struct config_redis {
	char *host;           /* IP address, or NULL when path is set */
	const char *path;     /* unix socket */
	int port;
	const char *username; /* or NULL */
};

/* Strings that are not owned are borrowed from the document. */
struct config {
	json_t *doc;
	const char *issuer;
	const char *jwks_url;      /* or NULL: discovered */
	const char *ca_file;       /* or NULL */
	const char *audience[2];   /* ends with NULL */
	bool has_push;             /* else poll */
	struct push_endpoint_conf push;
	struct poll_client_conf poll;
	struct config_redis redis;
	struct purge_rules rules;
	/* From files of their own; NULL: not set. */
	char *push_authorization, *poll_token, *redis_password;
};

/* Reads the file at path, and the files that it names for secrets. */
ssf_nodiscard int config_load(const char *path, struct config **out, struct ssf_err *err);

/*
 * Parses the text alone; name is for messages; text is changed (comments are blanked). Secrets
 * that are in files of their own stay NULL.
 */
ssf_nodiscard int config_parse(const char *name, char *text, size_t len, struct config **out,
			       struct ssf_err *err);
void config_free(struct config *c);
SSF_DEFINE_AUTO(config)
