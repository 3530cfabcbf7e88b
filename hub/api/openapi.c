/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /openapi.json. The document is the one that was built in, but for where this hub is; it is made
 * when it is first asked for, and kept: who asks again and again must not cost us its parsing.
 */
#include "hub/api/openapi.h"

#include "hub/api/api_priv.h"
#include "lib/http/http_error.h"

/* The document with this hub as its only server; NULL when out of memory. */
static char *document_of(const char *issuer)
{
	json_auto_t *doc = json_loads((const char *)openapi_text, 0, NULL);

	if (json_object_set_new(doc, "servers", json_pack("[{s:s}]", "url", issuer)) < 0)
		return NULL;
	return json_dumps(doc, JSON_COMPACT);
}

void api_openapi(const struct call *c)
{
	struct ssf_err err;

	if (c->api->openapi == NULL)
		c->api->openapi = document_of(c->api->issuer.url);
	if (c->api->openapi != NULL) {
		http_reply_json(c->req, 200, c->api->openapi);
		return;
	}
	ssf_fail(&err, SSF_E_NOMEM, "document");
	http_reply_error(c->req, 0, &err);
}
