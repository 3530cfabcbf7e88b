/* SPDX-License-Identifier: Apache-2.0 */
/* Joins the two parts of the document. */
#include "hub/api/openapi.h"

#include "hub/registry/kind_schema.h"
#include "lib/http/http_error.h"
#include "lib/ssf/attr.h"

#include <stdlib.h>

json_t *openapi_build(const char *issuer)
{
	json_auto_t *doc = json_loads((const char *)openapi_text, 0, NULL);
	json_auto_t *kinds = kind_schema_components();
	json_t *schemas = json_object_get(json_object_get(doc, "components"), "schemas");

	if (kinds == NULL || json_object_update(schemas, kinds) < 0)
		return NULL;
	if (issuer != NULL && json_object_set_new(doc, "servers", json_pack("[{s:s}]", "url", issuer)) < 0)
		return NULL;
	return SSF_STEAL(doc);
}

void openapi_get(struct openapi *o, const struct api_request *r)
{
	json_auto_t *doc = o->document == NULL ? openapi_build(o->issuer) : NULL;
	struct ssf_err err;

	if (o->document == NULL)
		o->document = doc != NULL ? json_dumps(doc, JSON_COMPACT) : NULL;
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
