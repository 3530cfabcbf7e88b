/* SPDX-License-Identifier: Apache-2.0 */
/* It sees fingerprints, never secrets. */
#include "hub/enrich/leak_report.h"

int leak_report_add(struct drafts *drafts, struct draft *d, const struct registry *registry,
		    json_t *detail, const uint8_t *fingerprint, const char *repository, bool *known,
		    struct ssf_err *err)
{
	char hex[SSF_SHA256_HEX];
	const char *credential = NULL, *agent = NULL, *by = NULL;

	if (fingerprint != NULL) {
		ssf_hex(fingerprint, SSF_SHA256_LEN, hex);
		json_object_set_new(detail, "fingerprint", json_string(hex));
		credential = registry_find(registry, KIND_CREDENTIAL, "fingerprint", hex);
		if (credential != NULL) {
			const json_t *spec = registry_get(registry, KIND_CREDENTIAL, credential);
			agent = json_string_value(json_object_get(spec, "agent"));
			by = "fingerprint";
			json_object_set_new(detail, "credential", json_string(credential));
		}
	} else if (repository != NULL) {
		agent = registry_find(registry, KIND_AGENT, "repositories", repository);
		by = agent != NULL ? "repository" : NULL;
	}
	if (by != NULL)
		json_object_set_new(detail, "attributed_by", json_string(by));
	*known = agent != NULL;
	d->type = LEAK_REPORT_TYPE;
	d->agent_id = agent;
	d->sub_id = NULL;
	d->body = detail;
	d->lookup = false;
	return draft_add(drafts, d, err);
}
