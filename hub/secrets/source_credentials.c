/* SPDX-License-Identifier: Apache-2.0 */
/* Opens sealed members by the table of the adapter. It must never log or return an opened value. */
#include "hub/secrets/source_credentials.h"

#include <stdio.h>
#include <string.h>

#define SECRET_MAX 4096
#define CONTEXT_MAX 256 /* "source/{id}/{member}" */

/* The member that a name of the table stands for: "api.token" is in the object api. */
static const json_t *find_member(const json_t *spec, const char *name)
{
	const char *dot = strchr(name, '.');

	if (dot == NULL)
		return json_object_get(spec, name);
	return json_object_get(json_object_getn(spec, name, (size_t)(dot - name)), dot + 1);
}

int source_credentials_open(const struct master_key *master, const struct source_adapter *adapter,
			    const char *id, const json_t *spec, unsigned flags,
			    struct source_credentials *out, struct ssf_err *err)
{
	*out = (struct source_credentials){ .view = { .spec = spec } };
	for (const struct adapter_member *m = adapter->members; m->name != NULL; m++) {
		const json_t *sealed = json_object_get(find_member(spec, m->name), "sealed");
		size_t n = out->view.secret_count;
		char context[CONTEXT_MAX];

		if (m->type != ADAPTER_SECRET || (m->flags & flags) == 0 || sealed == NULL)
			continue;
		if (n == ADAPTER_SECRETS_MAX)
			return ssf_fail(err, SSF_E_LIMIT, "more than %d secrets", ADAPTER_SECRETS_MAX);
		snprintf(context, sizeof(context), "source/%s/%s", id, m->name);
		ssf_buf_init(&out->values[n], SECRET_MAX);
		if (unseal(master, context, ssf_str_c(json_string_value(sealed)), &out->values[n],
			   err) < 0)
			return -1;
		out->view.secrets[n] = (struct adapter_secret){ m->name,
								ssf_buf_str(&out->values[n]) };
		out->view.secret_count++;
	}
	return 0;
}

void source_credentials_done(struct source_credentials *c)
{
	for (size_t i = 0; i < ADAPTER_SECRETS_MAX; i++)
		ssf_buf_done(&c->values[i]);
	*c = (struct source_credentials){ .view = { .spec = NULL } };
}
