/* SPDX-License-Identifier: Apache-2.0 */
/* A secret lives here for as long as it takes to hash it: in the body of the answer. */
#include "hub/enrich/secret_lookup.h"

#include "hub/secrets/source_credentials.h"
#include "lib/kit/log.h"

#include <stdlib.h>

#define TIMEOUT_MS 10000
#define ANSWER_MAX (256 * 1024)
#define URL_MAX 4096
#define AUTHORIZATION_MAX 8192

struct secret_lookup {
	const struct adapter_lookup *type;
	int64_t seq; /* of the signal, for the log */
	secret_lookup_f *f;
	void *arg;
	struct http_call *call;
};

static void on_answer(void *arg, const struct http_result *r, const struct ssf_err *err)
{
	struct secret_lookup *l = arg;
	uint8_t fingerprint[SSF_SHA256_LEN];
	json_auto_t *more = NULL;
	struct secret_lookup_result result = { .outcome = ADAPTER_LOOKUP_RETRY,
					       .retry_after_s = -1 };
	struct ssf_err why;

	l->call = NULL;
	if (err != NULL) {
		log_warn("attribution.api.failed", log_int("seq", l->seq), log_why(err));
	} else if (l->type->answer(r->status, r->retry_after, r->body, &result.outcome, fingerprint,
				   &more, &why) < 0) {
		log_warn("attribution.api.unusable", log_int("seq", l->seq), log_why(&why));
		result.outcome = ADAPTER_LOOKUP_DENIED;
	} else if (result.outcome == ADAPTER_LOOKUP_FOUND) {
		result.fingerprint = fingerprint;
		result.more = more;
	} else {
		result.retry_after_s = r->retry_after;
		if (result.outcome == ADAPTER_LOOKUP_RETRY)
			log_warn("attribution.api.failed", log_int("seq", l->seq),
				 log_int("status", r->status));
		else
			log_warn("attribution.api.refused", log_int("seq", l->seq),
				 log_int("status", r->status));
	}
	l->f(l->arg, &result);
	free(l);
}

static int start_call(struct secret_lookup *l, struct http_client *client,
		      const struct adapter_lookup_call *ask, struct ssf_err *err)
{
	struct http_call_spec call = {
		.method = "GET",
		.url = ask->url.ptr,
		.timeout_ms = TIMEOUT_MS,
		.max_body = ANSWER_MAX,
	};
	size_t n = 0;

	while (n < SSF_ARRAY_SIZE(ask->headers) && ask->headers[n] != NULL) {
		call.headers[n] = ask->headers[n];
		n++;
	}
	if (ask->authorization.len > 0)
		call.headers[n] = ask->authorization.ptr;
	return http_call_start(client, &call, on_answer, l, &l->call, err);
}

int secret_lookup_start(struct http_client *client, const struct master_key *master,
			const struct secret_lookup_spec *spec, secret_lookup_f *f, void *arg,
			struct secret_lookup **out, struct ssf_err *err)
{
	const struct adapter_lookup *type = spec->adapter->lookup;
	source_credentials_auto credentials = { .view = { .spec = NULL } };
	struct adapter_lookup_call ask = { .url = SSF_BUF(URL_MAX),
					   .authorization = SSF_BUF(AUTHORIZATION_MAX) };
	struct secret_lookup *l;
	int r;

	if (type == NULL)
		return ssf_fail(err, SSF_E_NOT_FOUND, "sources of this type cannot be asked");
	if (source_credentials_open(master, spec->adapter, spec->source, spec->spec,
				    ADAPTER_LOOKS_UP, &credentials, err) < 0)
		return -1;
	l = calloc(1, sizeof(*l));
	if (l == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "lookup");
	*l = (struct secret_lookup){ .type = type, .seq = spec->seq, .f = f, .arg = arg };
	r = type->call(&credentials.view, spec->detail, &ask, err);
	if (r == 0)
		r = start_call(l, client, &ask, err);
	ssf_buf_done(&ask.url);
	ssf_buf_done(&ask.authorization);
	if (r < 0)
		free(l);
	else
		*out = l;
	return r;
}

void secret_lookup_cancel(struct secret_lookup *l)
{
	if (l == NULL)
		return;
	http_call_cancel(l->call);
	free(l);
}
