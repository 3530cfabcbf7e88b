/* SPDX-License-Identifier: Apache-2.0 */
/* The table of adapters, and how its users find their way in it. Knows no vendor. */
#include "transmitters/adapter.h"

#include <string.h>

static const struct source_adapter *const adapters[ADAPTER_COUNT] = {
#define ADAPTER(id, type) [ADAPTER_ID_##id] = &id##_adapter,
#include "transmitters/adapters.def"
#undef ADAPTER
};

const struct source_adapter *adapter_at(size_t i)
{
	return adapters[i];
}

int adapter_index(const char *type)
{
	for (int i = 0; type != NULL && i < ADAPTER_COUNT; i++) {
		if (strcmp(adapters[i]->type, type) == 0)
			return i;
	}
	return -1;
}

const struct source_adapter *adapter_by_type(const char *type)
{
	int i = adapter_index(type);

	return i < 0 ? NULL : adapters[i];
}

int adapter_find_route(const struct source_adapter *a, const char *method, const char *path,
		       const struct adapter_route **out, struct ssf_err *err)
{
	bool path_exists = false;

	for (const struct adapter_route *r = a->routes; r->path != NULL; r++) {
		if (strcmp(r->path, path) != 0)
			continue;
		path_exists = true;
		if (strcmp(r->method, method) == 0) {
			*out = r;
			return 0;
		}
	}
	if (path_exists)
		return ssf_fail(err, SSF_E_METHOD, "this source does not take this method");
	return ssf_fail(err, SSF_E_NOT_FOUND, "this source has no such path");
}

struct ssf_str adapter_header(const struct adapter_request *r, const char *name)
{
	return r->header(r->arg, name);
}

const char *adapter_query(const struct adapter_request *r, const char *name)
{
	return r->query == NULL ? NULL : r->query(r->arg, name);
}

struct ssf_str adapter_secret(const struct adapter_credentials *c, const char *member)
{
	for (size_t i = 0; i < c->secret_count; i++) {
		if (strcmp(c->secrets[i].member, member) == 0)
			return c->secrets[i].value;
	}
	return (struct ssf_str){ NULL, 0 };
}
