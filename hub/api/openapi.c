/* SPDX-License-Identifier: Apache-2.0 */
/* Replaces the example in "servers"; the rest is served as it was built in. */
#include "hub/api/openapi.h"

#include "lib/http/http_error.h"

#include <jansson.h>
#include <stdlib.h>

/* NULL when out of memory. */
static char *build(const char *issuer)
{
	json_auto_t *doc = json_loads((const char *)openapi_text, 0, NULL);

	if (json_object_set_new(doc, "servers", json_pack("[{s:s}]", "url", issuer)) < 0)
		return NULL;
	return json_dumps(doc, JSON_COMPACT);
}

void openapi_get(struct openapi *o, const struct api_request *r)
{
	struct ssf_err err;

	if (o->document == NULL)
		o->document = build(o->issuer);
	if (o->document != NULL) {
		http_reply_json(r->http, 200, o->document);
		return;
	}
	ssf_fail(&err, SSF_E_NOMEM, "document");
	http_reply_error(r->http, 0, &err);
}

void openapi_done(struct openapi *o)
{
	free(o->document);
	o->document = NULL;
}
