/* SPDX-License-Identifier: Apache-2.0 */
/* Passes on method, target, body, Content-Type and If-Match. Never passes on the caller's token. */
#include "hub/api/peer/peer_client.h"

#include "lib/ssf/attr.h"

#include <openssl/crypto.h>

#include <stdio.h>
#include <stdlib.h>

#define ANSWER_MAX (64 * 1024 * 1024)

struct peer_client {
	struct http_client *http;
	uint8_t key[DERIVED_KEY_LEN];
};

int peer_client_new(struct http_client *http, const struct master_key *master, struct peer_client **out,
		    struct ssf_err *err)
{
	struct peer_client *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "peers");
	c->http = http;
	if (peer_key(master, c->key, err) < 0) {
		peer_client_free(c);
		return -1;
	}
	*out = c;
	return 0;
}

void peer_client_free(struct peer_client *c)
{
	if (c == NULL)
		return;
	OPENSSL_cleanse(c->key, sizeof(c->key));
	free(c);
}

static int format_header(struct ssf_buf *b, const char *name, struct ssf_str value)
{
	ssf_buf_addf(b, "%s: ", name);
	return ssf_buf_add(b, value.ptr, value.len);
}

int peer_client_start(struct peer_client *c, const struct owner_peer *peer, const struct http_req *req,
		      const struct caller *caller, int64_t timeout_ms, http_done_f *done, void *arg,
		      struct http_call **out, struct ssf_err *err)
{
	ssf_auto_buf target = SSF_BUF(64 * 1024), url = SSF_BUF(66 * 1024);
	ssf_auto_buf type = SSF_BUF(8192), match = SSF_BUF(8192);
	char caller_text[PEER_CALLER_LEN], stamp[PEER_STAMP_LEN];
	char caller_header[PEER_CALLER_LEN + 64], stamp_header[PEER_STAMP_LEN + 64];
	struct peer_request r = { .to = peer->id, .method = http_method(req), .caller = caller_text,
				  .content_type = http_header(req, "Content-Type"),
				  .if_match = http_header(req, "If-Match"), .body = http_body(req) };

	peer_caller_format(caller, caller_text);
	if (http_target(req, &target) < 0)
		return ssf_fail(err, SSF_E_NOMEM, "request");
	r.target = ssf_buf_str(&target);
	ssf_buf_addf(&url, "%s%s", peer->url, target.ptr);
	format_header(&type, "Content-Type", r.content_type);
	format_header(&match, "If-Match", r.if_match);
	if (ssf_buf_failed(&url) || ssf_buf_failed(&type) || ssf_buf_failed(&match))
		return ssf_fail(err, SSF_E_NOMEM, "request");
	if (peer_stamp(c->key, &r, wall_now_ms() / 1000, stamp, err) < 0)
		return -1;
	snprintf(stamp_header, sizeof(stamp_header), PEER_HEADER ": %s", stamp);
	snprintf(caller_header, sizeof(caller_header), PEER_CALLER_HEADER ": %s", caller_text);
	struct http_call_spec spec = {
		.method = r.method,
		.url = url.ptr,
		.headers = { stamp_header, caller_header, type.ptr, r.if_match.len > 0 ? match.ptr : NULL },
		.body = r.body,
		.timeout_ms = (int)timeout_ms,
		.max_body = ANSWER_MAX,
	};
	return http_call_start(c->http, &spec, done, arg, out, err);
}
