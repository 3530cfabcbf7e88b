/* SPDX-License-Identifier: Apache-2.0 */
/* The sections of the configuration. Rules of purging are read by the sink (purge_rules.c). */
#include "receivers/ssf-receive/config.h"

#include "lib/kit/file.h"
#include "lib/ssf/json.h"
#include "receivers/lib/config_reader.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define UNIX_PATH_MAX 107 /* sun_path without its NUL */

static int read_hub(const struct config_object *hub, struct config *c)
{
	static const char *const names[] = { "issuer", "jwks_url", "ca_file", NULL };

	if (config_reader_object(hub, "hub", names) < 0 ||
	    config_reader_https(hub, "issuer", &c->issuer) < 0 ||
	    config_reader_opt_string(hub, "ca_file", &c->ca_file) < 0)
		return -1;
	return config_reader_opt_https(hub, "jwks_url", &c->jwks_url);
}

static bool is_loopback(const char *listen)
{
	return strncmp(listen, "127.", 4) == 0 || strncmp(listen, "[::1]:", 6) == 0;
}

static int read_push(const struct config_object *o, struct config *c)
{
	static const char *const names[] = { "listen", "path", "authorization",
					     "authorization_file", "tls_cert", "tls_key", NULL };
	struct push_endpoint_conf *p = &c->push;
	const char *file = NULL;

	if (config_reader_object(o, "push", names) < 0 ||
	    config_reader_string(o, "listen", &p->listen) < 0 ||
	    config_reader_string(o, "path", &p->path) < 0 ||
	    config_reader_opt_string(o, "tls_cert", &p->tls_cert) < 0 ||
	    config_reader_opt_string(o, "tls_key", &p->tls_key) < 0 ||
	    config_reader_opt_string(o, "authorization", &p->authorization) < 0 ||
	    config_reader_opt_string(o, "authorization_file", &file) < 0)
		return -1;
	if (p->path[0] != '/')
		return ssf_diagnose(o->diag, o->at, "path must start with /");
	if ((p->tls_cert == NULL) != (p->tls_key == NULL))
		return ssf_diagnose(o->diag, o->at, "tls_cert and tls_key belong together");
	if (p->tls_cert == NULL && !is_loopback(p->listen))
		return ssf_diagnose(o->diag, o->at,
				    "tls_cert is needed unless listen is a loopback address");
	if (p->authorization != NULL && file != NULL)
		return ssf_diagnose(o->diag, o->at,
				    "give authorization or authorization_file, not both");
	return 0;
}

static int read_poll(const struct config_object *o, struct config *c)
{
	static const char *const names[] = { "url", "token_file", "wait_s", "max_events", NULL };
	int64_t wait_s = 30, max_events = 100;
	const char *file;

	if (config_reader_object(o, "poll", names) < 0 ||
	    config_reader_https(o, "url", &c->poll.url) < 0 ||
	    config_reader_string(o, "token_file", &file) < 0 ||
	    config_reader_opt_int(o, "wait_s", 1, 300, &wait_s) < 0 ||
	    config_reader_opt_int(o, "max_events", 1, 1000, &max_events) < 0)
		return -1;
	c->poll.wait_s = (int)wait_s;
	c->poll.max_events = (int)max_events;
	return 0;
}

static int parse_port(const char *text, int *out)
{
	char *end;
	long port = strtol(text, &end, 10);

	if (text[0] < '0' || text[0] > '9' || *end != '\0' || port < 1 || port > 65535)
		return -1;
	*out = (int)port;
	return 0;
}

/*
 * An address, not a name: hiredis would look a name up on the event loop, and block everything
 * while the resolver does not answer.
 */
static int read_address(const struct config_object *o, struct config_redis *c)
{
	const char *address, *colon;
	struct in6_addr binary;
	size_t host_len;
	bool v6;

	if (config_reader_string(o, "address", &address) < 0)
		return -1;
	if (strncmp(address, "unix:", 5) == 0) {
		c->path = address + 5;
		if (c->path[0] != '/' || strlen(c->path) > UNIX_PATH_MAX)
			return ssf_diagnose_member(o->diag, o->at, "address",
						   "address: after unix: an absolute path of at "
						   "most %d bytes", UNIX_PATH_MAX);
		return 0;
	}
	colon = strrchr(address, ':');
	v6 = address[0] == '[';
	host_len = colon != NULL ? (size_t)(colon - address) : 0;
	if (host_len < (v6 ? 3 : 1) || (v6 && colon[-1] != ']') ||
	    parse_port(colon + 1, &c->port) < 0)
		return ssf_diagnose_member(o->diag, o->at, "address",
					   "address must be \"IP:PORT\", \"[IPv6]:PORT\" or "
					   "\"unix:/path\"");
	c->host = v6 ? strndup(address + 1, host_len - 2) : strndup(address, host_len);
	if (c->host == NULL)
		return ssf_fail(&o->diag->err, SSF_E_NOMEM, "out of memory");
	if (inet_pton(v6 ? AF_INET6 : AF_INET, c->host, &binary) != 1)
		return ssf_diagnose_member(o->diag, o->at, "address",
					   "address must hold an IP address, not a name");
	return 0;
}

static int read_redis(const struct config_object *o, struct config *c)
{
	static const char *const names[] = { "address", "username", "password_file", NULL };
	const char *file = NULL;

	if (config_reader_object(o, "redis", names) < 0 || read_address(o, &c->redis) < 0 ||
	    config_reader_opt_string(o, "username", &c->redis.username) < 0 ||
	    config_reader_opt_string(o, "password_file", &file) < 0)
		return -1;
	if (c->redis.username != NULL && file == NULL)
		return ssf_diagnose(o->diag, o->at, "username needs password_file");
	return 0;
}

static struct config_object section(const struct config_object *root, const char *name,
				    struct ssf_json_path *at)
{
	*at = (struct ssf_json_path){ root->at, name, 0 };
	return (struct config_object){ json_object_get(root->value, name), at, root->diag };
}

static int read_document(struct config *c, struct ssf_diagnostic *diag)
{
	static const char *const names[] = { "hub", "audience", "push", "poll", "redis", "purge",
					     NULL };
	const struct ssf_json_path whole = { NULL, NULL, 0 };
	const struct config_object root = { c->doc, &whole, diag };
	struct ssf_json_path paths[5];
	const struct config_object hub = section(&root, "hub", &paths[0]);
	const struct config_object push = section(&root, "push", &paths[1]);
	const struct config_object poll = section(&root, "poll", &paths[2]);
	const struct config_object redis = section(&root, "redis", &paths[3]);
	const struct config_object purge = section(&root, "purge", &paths[4]);

	if (config_reader_object(&root, "the configuration", names) < 0 || read_hub(&hub, c) < 0 ||
	    config_reader_string(&root, "audience", &c->audience[0]) < 0)
		return -1;
	if ((push.value == NULL) == (poll.value == NULL))
		return ssf_diagnose(diag, &whole, "give either push or poll");
	c->has_push = push.value != NULL;
	if ((c->has_push ? read_push(&push, c) : read_poll(&poll, c)) < 0 ||
	    read_redis(&redis, c) < 0)
		return -1;
	return purge_rules_parse(purge.value, purge.at, diag, &c->rules);
}

int config_parse(const char *name, char *text, size_t len, struct config **out, struct ssf_err *err)
{
	static const struct ssf_json_limits limits = { CONFIG_MAX_BYTES, 16 };
	struct ssf_diagnostic diag = { .text = { text, len } };
	ssf_auto(config) c = calloc(1, sizeof(*c));

	if (c == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "%s: out of memory", name);
	ssf_json_strip_comments(text, len);
	if (ssf_json_parse_at(diag.text, &limits, &c->doc, &diag.line, &diag.column,
			      &diag.err) < 0 ||
	    read_document(c, &diag) < 0) {
		if (diag.line > 0)
			return ssf_fail(err, diag.err.code, "%s:%u:%u: %s", name, diag.line,
					diag.column, diag.err.msg);
		return ssf_fail(err, diag.err.code, "%s: %s", name, diag.err.msg);
	}
	*out = SSF_STEAL(c);
	return 0;
}

static const char *member(const json_t *doc, const char *section, const char *key)
{
	return json_string_value(json_object_get(json_object_get(doc, section), key));
}

static int load_secrets(struct config *c, struct ssf_err *err)
{
	if (config_reader_secret_file("authorization_file",
				      member(c->doc, "push", "authorization_file"),
				      &c->push_authorization, err) < 0 ||
	    config_reader_secret_file("token_file", member(c->doc, "poll", "token_file"),
				      &c->poll_token, err) < 0 ||
	    config_reader_secret_file("password_file", member(c->doc, "redis", "password_file"),
				      &c->redis_password, err) < 0)
		return -1;
	if (c->push_authorization != NULL)
		c->push.authorization = c->push_authorization;
	c->poll.token = c->poll_token;
	return 0;
}

int config_load(const char *path, struct config **out, struct ssf_err *err)
{
	ssf_auto_buf text = SSF_BUF(CONFIG_MAX_BYTES);
	ssf_auto(config) c = NULL;

	if (file_read(path, &text, err) < 0 || config_parse(path, text.ptr, text.len, &c, err) < 0)
		return -1;
	if (load_secrets(c, err) < 0)
		return ssf_fail_prefix(err, "%s", path);
	*out = SSF_STEAL(c);
	return 0;
}

void config_free(struct config *c)
{
	if (c == NULL)
		return;
	purge_rules_done(&c->rules);
	free(c->redis.host);
	config_reader_free_secret(c->push_authorization);
	config_reader_free_secret(c->poll_token);
	config_reader_free_secret(c->redis_password);
	json_decref(c->doc);
	free(c);
}
