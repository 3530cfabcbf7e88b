/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks the document with a node at a time: the value, and the JSON pointer to
 * it, from which the line and column of an error are found when there is one.
 */
#include "receivers/config.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/kit/file.h"
#include "lib/ssf/json.h"

#define SECRET_MAX 4096
#define STRING_MAX 2048
#define UNIX_PATH_MAX 107 /* sun_path without its NUL */

struct reader {
	const char *name;
	struct ssf_str text;
	struct config *c;
	size_t n_templates;
	struct ssf_err *err;
};

struct node {
	const json_t *value; /* NULL: not there */
	char pointer[192];
};

__attribute__((format(printf, 3, 4))) static int bad(struct reader *r, const struct node *at,
						     const char *fmt, ...)
{
	unsigned line = 1;
	unsigned column = 1;
	char msg[160];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	ssf_json_locate(r->text, at->pointer, &line, &column);
	return ssf_fail(r->err, SSF_E_MALFORMED, "%s:%u:%u: %s", r->name, line, column, msg);
}

static int no_memory(struct reader *r)
{
	return ssf_fail(r->err, SSF_E_NOMEM, "%s: out of memory", r->name);
}

/* A pointer that does not fit is cut at its parent: the error is then shown a level higher. */
static void point_to(struct node *n, const char *parent, const char *part)
{
	if (snprintf(n->pointer, sizeof(n->pointer), "%s/%s", parent, part) >=
	    (int)sizeof(n->pointer))
		snprintf(n->pointer, sizeof(n->pointer), "%s", parent);
}

static struct node child(const struct node *parent, const char *key)
{
	struct node n = { .value = json_object_get(parent->value, key) };

	point_to(&n, parent->pointer, key);
	return n;
}

static struct node item(const struct node *parent, size_t i)
{
	struct node n = { .value = json_array_get(parent->value, i) };
	char index[24];

	snprintf(index, sizeof(index), "%zu", i);
	point_to(&n, parent->pointer, index);
	return n;
}

static bool is_among(const char *key, const char *const *names)
{
	for (; *names != NULL; names++) {
		if (strcmp(key, *names) == 0)
			return true;
	}
	return false;
}

static int object_of(struct reader *r, const struct node *at, const char *what,
		     const char *const *names)
{
	const char *key;
	json_t *value;

	if (!json_is_object(at->value))
		return bad(r, at, "%s must be an object", what);
	json_object_foreach((json_t *)(uintptr_t)at->value, key, value) {
		struct node unknown = child(at, strpbrk(key, "/~") == NULL ? key : "");

		if (!is_among(key, names))
			return bad(r, &unknown, "%s: unknown member \"%.40s\"", what, key);
	}
	return 0;
}

/* Absent leaves *out as it was. */
static int opt_string(struct reader *r, const struct node *parent, const char *key,
		      const char **out)
{
	struct node at = child(parent, key);

	if (at.value == NULL)
		return 0;
	if (!json_is_string(at.value) || json_string_length(at.value) == 0 ||
	    json_string_length(at.value) > STRING_MAX)
		return bad(r, &at, "%s must be a string of 1 to %d bytes", key, STRING_MAX);
	*out = json_string_value(at.value);
	return 0;
}

static int need_string(struct reader *r, const struct node *parent, const char *key,
		       const char **out)
{
	if (json_object_get(parent->value, key) == NULL)
		return bad(r, parent, "%s is missing", key);
	return opt_string(r, parent, key, out);
}

static int opt_int(struct reader *r, const struct node *parent, const char *key, int64_t min,
		   int64_t max, int64_t *out)
{
	struct node at = child(parent, key);

	if (at.value == NULL)
		return 0;
	if (!json_is_integer(at.value) || json_integer_value(at.value) < min ||
	    json_integer_value(at.value) > max)
		return bad(r, &at, "%s must be an integer from %lld to %lld", key, (long long)min,
			   (long long)max);
	*out = json_integer_value(at.value);
	return 0;
}

static int need_https(struct reader *r, const struct node *parent, const char *key, const char *url)
{
	struct node at = child(parent, key);

	if (strncmp(url, "https://", 8) != 0 || url[8] == '\0')
		return bad(r, &at, "%s must start with https://", key);
	return 0;
}

static int read_hub(struct reader *r, const struct node *root)
{
	static const char *const names[] = { "issuer", "jwks_url", "ca_file", NULL };
	struct node hub = child(root, "hub");
	struct config *c = r->c;

	if (object_of(r, &hub, "hub", names) < 0 ||
	    need_string(r, &hub, "issuer", &c->issuer) < 0 ||
	    need_https(r, &hub, "issuer", c->issuer) < 0 ||
	    opt_string(r, &hub, "jwks_url", &c->jwks_url) < 0 ||
	    opt_string(r, &hub, "ca_file", &c->ca_file) < 0)
		return -1;
	return c->jwks_url != NULL ? need_https(r, &hub, "jwks_url", c->jwks_url) : 0;
}

static int copy_secret(struct reader *r, const char *from, char **out)
{
	*out = strdup(from);
	return *out == NULL ? no_memory(r) : 0;
}

static bool is_loopback(const char *listen)
{
	return strncmp(listen, "127.", 4) == 0 || strncmp(listen, "[::1]:", 6) == 0;
}

static int read_push(struct reader *r, const struct node *at)
{
	static const char *const names[] = {
		"listen", "path", "authorization", "authorization_file", "tls_cert", "tls_key", NULL
	};
	struct config_push *p = &r->c->push;
	const char *authorization = NULL;
	const char *file = NULL;

	if (object_of(r, at, "push", names) < 0 || need_string(r, at, "listen", &p->listen) < 0 ||
	    need_string(r, at, "path", &p->path) < 0 ||
	    opt_string(r, at, "tls_cert", &p->tls_cert) < 0 ||
	    opt_string(r, at, "tls_key", &p->tls_key) < 0 ||
	    opt_string(r, at, "authorization", &authorization) < 0 ||
	    opt_string(r, at, "authorization_file", &file) < 0)
		return -1;
	if (p->path[0] != '/')
		return bad(r, at, "path must start with /");
	if ((p->tls_cert == NULL) != (p->tls_key == NULL))
		return bad(r, at, "tls_cert and tls_key belong together");
	if (p->tls_cert == NULL && !is_loopback(p->listen))
		return bad(r, at, "tls_cert is needed unless listen is a loopback address");
	if (authorization != NULL && file != NULL)
		return bad(r, at, "give authorization or authorization_file, not both");
	return authorization != NULL ? copy_secret(r, authorization, &p->authorization) : 0;
}

static int read_poll(struct reader *r, const struct node *at)
{
	static const char *const names[] = { "url", "token_file", "wait_s", "max_events", NULL };
	struct config_poll *p = &r->c->poll;
	const char *file;
	int64_t wait_s = 30;
	int64_t max_events = 100;

	if (object_of(r, at, "poll", names) < 0 || need_string(r, at, "url", &p->url) < 0 ||
	    need_https(r, at, "url", p->url) < 0 || need_string(r, at, "token_file", &file) < 0 ||
	    opt_int(r, at, "wait_s", 1, 300, &wait_s) < 0 ||
	    opt_int(r, at, "max_events", 1, 1000, &max_events) < 0)
		return -1;
	p->wait_s = (int)wait_s;
	p->max_events = (int)max_events;
	return 0;
}

static int read_port(const char *text, int *out)
{
	char *end;
	long port = strtol(text, &end, 10);

	if (text[0] < '0' || text[0] > '9' || *end != '\0' || port < 1 || port > 65535)
		return -1;
	*out = (int)port;
	return 0;
}

/*
 * An address, not a name: hiredis would look a name up on the event loop, and
 * stop everything while the resolver does not answer.
 */
static int read_address(struct reader *r, const struct node *redis, const char *address)
{
	struct config_redis *c = &r->c->redis;
	struct node at = child(redis, "address");
	struct in6_addr binary;
	const char *colon = strrchr(address, ':');
	size_t host_len;
	bool v6 = address[0] == '[';

	if (strncmp(address, "unix:", 5) == 0) {
		c->path = address + 5;
		if (c->path[0] != '/' || strlen(c->path) > UNIX_PATH_MAX)
			return bad(r, &at,
				   "address: after unix: an absolute path of at most %d bytes",
				   UNIX_PATH_MAX);
		return 0;
	}
	host_len = colon != NULL ? (size_t)(colon - address) : 0;
	if (host_len < (v6 ? 3 : 1) || (v6 && colon[-1] != ']') ||
	    read_port(colon + 1, &c->port) < 0)
		return bad(r, &at,
			   "address must be \"IP:PORT\", \"[IPv6]:PORT\" or \"unix:/path\"");
	c->host = v6 ? strndup(address + 1, host_len - 2) : strndup(address, host_len);
	if (c->host == NULL)
		return no_memory(r);
	if (inet_pton(v6 ? AF_INET6 : AF_INET, c->host, &binary) != 1)
		return bad(r, &at, "address must hold an IP address, not a name");
	return 0;
}

static int read_redis(struct reader *r, const struct node *root)
{
	static const char *const names[] = { "address", "username", "password_file", NULL };
	struct node at = child(root, "redis");
	struct config_redis *c = &r->c->redis;
	const char *address;
	const char *file = NULL;

	if (object_of(r, &at, "redis", names) < 0 || need_string(r, &at, "address", &address) < 0 ||
	    read_address(r, &at, address) < 0 || opt_string(r, &at, "username", &c->username) < 0 ||
	    opt_string(r, &at, "password_file", &file) < 0)
		return -1;
	if (c->username != NULL && file == NULL)
		return bad(r, &at, "username needs password_file");
	return 0;
}

static int read_template(struct reader *r, const struct node *at, struct template **out)
{
	struct ssf_err why;

	if (!json_is_string(at->value))
		return bad(r, at, "a template must be a string");
	if (++r->n_templates > CONFIG_MAX_TEMPLATES)
		return bad(r, at, "more than %d templates in all rules", CONFIG_MAX_TEMPLATES);
	if (template_parse((struct ssf_str){ json_string_value(at->value),
					     json_string_length(at->value) },
			   out, &why) < 0)
		return bad(r, at, "%s", why.msg);
	return 0;
}

static int read_templates(struct reader *r, const struct node *rule, const char *key,
			  struct config_templates *out)
{
	struct node at = child(rule, key);

	if (at.value == NULL)
		return 0;
	if (!json_is_array(at.value) || json_array_size(at.value) == 0)
		return bad(r, &at, "%s must be an array of templates, not empty", key);
	out->list = calloc(json_array_size(at.value), sizeof(out->list[0]));
	if (out->list == NULL)
		return no_memory(r);
	for (size_t i = 0; i < json_array_size(at.value); i++) {
		struct node one = item(&at, i);

		if (read_template(r, &one, &out->list[i]) < 0)
			return -1;
		out->n++;
	}
	return 0;
}

static int read_mark(struct reader *r, const struct node *at, struct config_mark *out)
{
	static const char *const names[] = { "key", "value", "ttl_s", NULL };
	struct node key;
	struct node value;

	if (object_of(r, at, "set", names) < 0)
		return -1;
	key = child(at, "key");
	value = child(at, "value");
	if (read_template(r, &key, &out->key) < 0 || read_template(r, &value, &out->value) < 0)
		return -1;
	if (json_object_get(at->value, "ttl_s") == NULL)
		return bad(r, at, "ttl_s is missing");
	return opt_int(r, at, "ttl_s", 1, INT64_C(10) * 366 * 86400, &out->ttl_s);
}

static int read_marks(struct reader *r, const struct node *rule, struct config_rule *out)
{
	struct node at = child(rule, "set");

	if (at.value == NULL)
		return 0;
	if (!json_is_array(at.value) || json_array_size(at.value) == 0)
		return bad(r, &at, "set must be an array of objects, not empty");
	out->marks = calloc(json_array_size(at.value), sizeof(out->marks[0]));
	if (out->marks == NULL)
		return no_memory(r);
	for (size_t i = 0; i < json_array_size(at.value); i++) {
		struct node one = item(&at, i);

		out->n_marks++; /* before it is complete: config_free() releases what there is */
		if (read_mark(r, &one, &out->marks[i]) < 0)
			return -1;
	}
	return 0;
}

static int read_events(struct reader *r, const struct node *rule, struct config_rule *out)
{
	struct node at = child(rule, "events");

	if (at.value == NULL)
		return 0;
	if (!json_is_array(at.value) || json_array_size(at.value) == 0)
		return bad(r, &at, "events must be an array of event type URIs, not empty");
	for (size_t i = 0; i < json_array_size(at.value); i++) {
		struct node one = item(&at, i);

		if (!json_is_string(one.value))
			return bad(r, &one, "an event type must be a string");
	}
	out->events = at.value;
	return 0;
}

static int read_rule(struct reader *r, const struct node *at, struct config_rule *out)
{
	static const char *const names[] = { "events",	 "subject", "keys", "index_sets",
					     "patterns", "set",	    NULL };
	struct node subject;

	if (object_of(r, at, "purge", names) < 0 || read_events(r, at, out) < 0)
		return -1;
	subject = child(at, "subject");
	if (subject.value != NULL && !json_is_object(subject.value))
		return bad(r, &subject, "subject must be an object");
	out->subject = subject.value;
	if (read_templates(r, at, "keys", &out->keys) < 0 ||
	    read_templates(r, at, "index_sets", &out->index_sets) < 0 ||
	    read_templates(r, at, "patterns", &out->patterns) < 0 || read_marks(r, at, out) < 0)
		return -1;
	if (out->keys.n + out->index_sets.n + out->patterns.n + out->n_marks == 0)
		return bad(r, at, "a rule needs keys, index_sets, patterns or set");
	return 0;
}

static int read_rules(struct reader *r, const struct node *root)
{
	struct node at = child(root, "purge");
	struct config *c = r->c;

	if (!json_is_array(at.value) || json_array_size(at.value) == 0 ||
	    json_array_size(at.value) > CONFIG_MAX_RULES)
		return bad(r, &at, "purge must be an array of 1 to %d rules", CONFIG_MAX_RULES);
	c->rules = calloc(json_array_size(at.value), sizeof(c->rules[0]));
	if (c->rules == NULL)
		return no_memory(r);
	for (size_t i = 0; i < json_array_size(at.value); i++) {
		struct node rule = item(&at, i);

		c->n_rules++;
		if (read_rule(r, &rule, &c->rules[i]) < 0)
			return -1;
	}
	return 0;
}

static int read_root(struct reader *r)
{
	static const char *const names[] = { "hub",   "audience", "push", "poll",
					     "redis", "purge",	  NULL };
	struct node root = { .value = r->c->doc };
	struct node push;
	struct node poll;

	if (object_of(r, &root, "the configuration", names) < 0 || read_hub(r, &root) < 0 ||
	    need_string(r, &root, "audience", &r->c->audience[0]) < 0)
		return -1;
	push = child(&root, "push");
	poll = child(&root, "poll");
	if ((push.value == NULL) == (poll.value == NULL))
		return bad(r, &root, "give either push or poll");
	r->c->has_push = push.value != NULL;
	if ((r->c->has_push ? read_push(r, &push) : read_poll(r, &poll)) < 0)
		return -1;
	return read_redis(r, &root) < 0 ? -1 : read_rules(r, &root);
}

int config_parse(const char *name, char *text, size_t len, struct config **out, struct ssf_err *err)
{
	static const struct ssf_json_limits limits = { CONFIG_MAX_BYTES, 16 };
	struct reader r = { .name = name, .text = { text, len }, .err = err };
	ssf_auto(config) c = calloc(1, sizeof(*c));

	if (c == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "%s: out of memory", name);
	ssf_json_strip_comments(text, len);
	if (ssf_json_parse(r.text, &limits, &c->doc, err) < 0)
		return ssf_fail_prefix(err, "%s", name);
	r.c = c;
	if (read_root(&r) < 0)
		return -1;
	*out = SSF_STEAL(c);
	return 0;
}

/* The file's only line. */
static int load_secret(const json_t *section, const char *key, char **out, struct ssf_err *err)
{
	const char *path = json_string_value(json_object_get(section, key));
	ssf_auto_buf text = SSF_BUF(SECRET_MAX);

	if (path == NULL)
		return 0;
	if (file_read(path, &text, err) < 0)
		return ssf_fail_prefix(err, "%s", key);
	while (text.len > 0 && strchr("\r\n", text.ptr[text.len - 1]) != NULL)
		text.ptr[--text.len] = '\0';
	if (text.len == 0 || strlen(text.ptr) != text.len || strpbrk(text.ptr, "\r\n") != NULL)
		return ssf_fail(err, SSF_E_MALFORMED, "%s: the file must hold one line", key);
	*out = ssf_buf_steal(&text);
	return *out == NULL ? ssf_fail(err, SSF_E_NOMEM, "%s: out of memory", key) : 0;
}

int config_load(const char *path, struct config **out, struct ssf_err *err)
{
	ssf_auto(config) c = NULL;
	ssf_auto_buf text = SSF_BUF(CONFIG_MAX_BYTES);

	if (file_read(path, &text, err) < 0 || config_parse(path, text.ptr, text.len, &c, err) < 0)
		return -1;
	if (load_secret(json_object_get(c->doc, "push"), "authorization_file",
			&c->push.authorization, err) < 0 ||
	    load_secret(json_object_get(c->doc, "poll"), "token_file", &c->poll.token, err) < 0 ||
	    load_secret(json_object_get(c->doc, "redis"), "password_file", &c->redis.password,
			err) < 0)
		return ssf_fail_prefix(err, "%s", path);
	*out = SSF_STEAL(c);
	return 0;
}

static void free_secret(char *s)
{
	if (s != NULL)
		OPENSSL_cleanse(s, strlen(s));
	free(s);
}

static void free_templates(struct config_templates *t)
{
	for (size_t i = 0; i < t->n; i++)
		template_free(t->list[i]);
	free(t->list);
}

static void rule_done(struct config_rule *rule)
{
	free_templates(&rule->keys);
	free_templates(&rule->index_sets);
	free_templates(&rule->patterns);
	for (size_t i = 0; i < rule->n_marks; i++) {
		template_free(rule->marks[i].key);
		template_free(rule->marks[i].value);
	}
	free(rule->marks);
}

void config_free(struct config *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < c->n_rules; i++)
		rule_done(&c->rules[i]);
	free(c->rules);
	free_secret(c->push.authorization);
	free_secret(c->poll.token);
	free(c->redis.host);
	free_secret(c->redis.password);
	json_decref(c->doc);
	free(c);
}
