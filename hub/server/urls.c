/* SPDX-License-Identifier: Apache-2.0 */
#include "hub/server/urls.h"

#include <stdio.h>
#include <stdlib.h>

int urls_check(struct server *s, struct ssf_err *err)
{
	return s->conf.issuer != NULL ? issuer_parse(s->conf.issuer, s->conf.tls_off, &s->api.issuer, err) : 0;
}

int urls_set(struct server *s, unsigned port, struct ssf_err *err)
{
	struct issuer *issuer = &s->api.issuer;
	char local[64];

	snprintf(local, sizeof(local), "%s://localhost:%u", s->conf.tls_off ? "http" : "https", port);
	if (issuer->url == NULL && issuer_parse(local, s->conf.tls_off, issuer, err) < 0)
		return -1;
	s->api.token_endpoint_url = issuer_url(issuer, "/oauth2/token");
	s->api.resource_metadata = issuer_well_known(issuer, "oauth-protected-resource");
	if (s->api.token_endpoint_url == NULL || s->api.resource_metadata == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "issuer");
	return data_files_write_url(&s->conf, port, err);
}

void urls_done(struct server *s)
{
	issuer_done(&s->api.issuer);
	free(SSF_STEAL(s->api.resource_metadata));
	free(SSF_STEAL(s->api.token_endpoint_url));
}
