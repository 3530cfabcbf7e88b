/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration of ssf-receive: one JSON file, comments allowed, described
 * in docs/reference/ssf-receive.md. Unknown members are errors, and every error says where
 * (file:line:column). Read once at the start and constant from then on.
 */
#pragma once

#include <jansson.h>

#include "lib/ssf/attr.h"
#include "lib/ssf/buf.h"
#include "lib/ssf/err.h"
#include "receivers/template.h"

#define CONFIG_MAX_BYTES (256 * 1024)
#define CONFIG_MAX_RULES 64
#define CONFIG_MAX_TEMPLATES 128 /* of all rules together: bounds the work of one event */

struct config_templates {
	struct template **list;
	size_t n;
};

struct config_mark {
	struct template *key;
	struct template *value;
	int64_t ttl_s;
};

struct config_rule {
	const json_t *events;  /* array of URIs, or NULL: all; borrowed from the document */
	const json_t *subject; /* members that must be equal, or NULL: any; borrowed */
	struct config_templates keys;
	struct config_templates index_sets;
	struct config_templates patterns;
	struct config_mark *marks;
	size_t n_marks;
};

struct config_push {
	const char *listen;
	const char *path;
	const char *tls_cert; /* with tls_key, or both NULL */
	const char *tls_key;
	char *authorization;  /* whole header value, or NULL: none is asked for */
};

struct config_poll {
	const char *url;
	char *token;
	int wait_s;
	int max_events;
};

struct config_redis {
	char *host;           /* IP address, or NULL when path is set */
	const char *path;     /* unix socket */
	int port;
	const char *username; /* or NULL */
	char *password;       /* or NULL */
};

/* Strings that are not owned are borrowed from the document. */
struct config {
	json_t *doc;
	const char *issuer;
	const char *jwks_url; /* or NULL: discovered */
	const char *ca_file;  /* or NULL */
	const char *audience[2];
	bool has_push;        /* else poll */
	struct config_push push;
	struct config_poll poll;
	struct config_redis redis;
	struct config_rule *rules;
	size_t n_rules;
};

/* Reads the file at path, and the files that it names for secrets. */
ssf_nodiscard int config_load(const char *path, struct config **out, struct ssf_err *err);

/*
 * The text alone; name is for messages; text is changed (comments blanked).
 * Secrets that are in files of their own stay NULL.
 */
ssf_nodiscard int config_parse(const char *name, char *text, size_t len, struct config **out,
			       struct ssf_err *err);
void config_free(struct config *c);
SSF_DEFINE_AUTO(config)
