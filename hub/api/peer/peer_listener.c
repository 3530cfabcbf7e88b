/* SPDX-License-Identifier: Apache-2.0 */
/* Must never serve a request that is not signed for this process. */
#include "hub/api/peer/peer_listener.h"

#include "hub/api/peer/peer_client.h"
#include "lib/http/http_error.h"
#include "lib/kit/log.h"
#include "lib/ssf/attr.h"

#include <openssl/crypto.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct peer_listener {
	struct http_server *server;
	const struct owner *owner;
	peer_handler_f *handler;
	void *arg;
	uint8_t key[DERIVED_KEY_LEN];
	char *url;
};

static int check(struct peer_listener *l, const struct http_req *req, struct caller *caller,
		 struct ssf_err *err)
{
	ssf_auto_buf target = SSF_BUF(64 * 1024);
	struct ssf_str stated = http_header(req, PEER_CALLER_HEADER);
	ssf_auto_free char *text = ssf_str_dup(stated);
	struct peer_request r = { .to = owner_id(l->owner), .method = http_method(req), .caller = text,
				  .content_type = http_header(req, "Content-Type"),
				  .if_match = http_header(req, "If-Match"), .body = http_body(req) };

	if (text == NULL || http_target(req, &target) < 0)
		return ssf_fail(err, SSF_E_NOMEM, "request");
	r.target = ssf_buf_str(&target);
	if (peer_check(l->key, &r, wall_now_ms() / 1000, http_header(req, PEER_HEADER), err) < 0)
		return -1;
	if (peer_caller_parse(stated, caller) < 0)
		return ssf_fail(err, SSF_E_MALFORMED, "no proper caller");
	return 0;
}

static void on_request(void *arg, struct http_req *req)
{
	struct peer_listener *l = arg;
	struct caller caller;
	struct ssf_err err;

	if (l->owner == NULL) {
		ssf_fail(&err, SSF_E_UNAVAILABLE, "starting");
		http_reply_error(req, PEER_CLIENT_MISDIRECTED, &err);
	} else if (check(l, req, &caller, &err) < 0) {
		log_warn("peer.unauthenticated", log_str("peer", http_peer(req)));
		http_reply_error(req, 0, &err);
	} else {
		l->handler(l->arg, req, &caller);
	}
}

static bool is_loopback(const char *listen)
{
	return strncmp(listen, "127.", 4) == 0 || strncmp(listen, "[::1]", 5) == 0;
}

static char *format_url(const struct peer_listener_conf *conf, unsigned port)
{
	const char *host = conf->host != NULL ? conf->host : conf->listen;
	size_t len = conf->host != NULL ? strlen(host) : (size_t)(strrchr(host, ':') - host);
	char *url = NULL;

	if (asprintf(&url, "%s://%.*s:%u", conf->tls_cert != NULL ? "https" : "http", (int)len, host,
		     port) < 0)
		return NULL;
	return url;
}

int peer_listener_new(struct loop *loop, const struct peer_listener_conf *conf,
		      const struct master_key *master, peer_handler_f *handler, void *arg,
		      struct peer_listener **out, struct ssf_err *err)
{
	struct http_server_conf server = { .listen = conf->listen, .tls_cert = conf->tls_cert,
					   .tls_key = conf->tls_key, .max_body = conf->max_body,
					   .request_timeout_ms = conf->request_timeout_ms,
					   .max_connections = conf->max_connections };
	struct peer_listener *l;

	if (conf->tls_cert == NULL && !is_loopback(conf->listen))
		return ssf_fail(err, SSF_E_MALFORMED, "peer_listen: beyond this machine it needs tls_cert");
	l = calloc(1, sizeof(*l));
	if (l == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "peers");
	l->handler = handler;
	l->arg = arg;
	if (peer_key(master, l->key, err) < 0 ||
	    http_server_new(loop, &server, on_request, l, &l->server, err) < 0) {
		peer_listener_free(l);
		return ssf_fail_prefix(err, "peer_listen");
	}
	l->url = format_url(conf, http_server_port(l->server));
	if (l->url == NULL) {
		peer_listener_free(l);
		return ssf_fail(err, SSF_E_NOMEM, "peers");
	}
	*out = l;
	return 0;
}

void peer_listener_free(struct peer_listener *l)
{
	if (l == NULL)
		return;
	http_server_free(l->server);
	OPENSSL_cleanse(l->key, sizeof(l->key));
	free(l->url);
	free(l);
}

void peer_listener_set_owner(struct peer_listener *l, const struct owner *owner)
{
	l->owner = owner;
}

const char *peer_listener_url(const struct peer_listener *l)
{
	return l->url;
}

size_t peer_listener_pending(const struct peer_listener *l)
{
	return http_server_pending(l->server);
}
