/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies of GitHub webhooks as a verified sender could craft them: the first byte chooses
 * content type and event, the rest is the body. It is read as an alert of the REST API too.
 */
#include "transmitters/github/webhook.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void map(const struct github_delivery *d)
{
	struct signal_list list;
	struct ssf_err err;

	signal_list_init(&list, 1);
	bool mapped = github_webhook_map(d, &list, &err) == 0;
	if (list.count != (mapped ? 1 : 0))
		abort();
	if (mapped && (list.items[0].type == NULL || list.items[0].id == NULL ||
		       !json_is_object(list.items[0].detail)))
		abort();
	signal_list_done(&list);
}

static void parse_alert(struct ssf_str body)
{
	uint8_t fingerprint[SSF_SHA256_LEN];
	json_t *alert = NULL;
	struct ssf_err err;

	if (github_alert_parse(body, fingerprint, &alert, &err) == 0 &&
	    json_object_get(alert, "secret") != NULL)
		abort();
	json_decref(alert);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const types[] = {
		"application/json",
		"application/x-www-form-urlencoded",
	};
	static const char *const events[] = {
		"secret_scanning_alert",
		"secret_scanning_alert_location",
		"organization",
		"ping",
	};

	if (size == 0)
		return 0;
	struct ssf_str body = { (const char *)data + 1, size - 1 };
	struct github_delivery d = {
		.event = ssf_str_c(events[data[0] >> 1 & 3]),
		.delivery = SSF_STR("72d3162e-cc78-11e3-81ab-4c9367dc0958"),
		.content_type = ssf_str_c(types[data[0] & 1]),
		.body = body,
	};
	map(&d);
	parse_alert(body);
	return 0;
}
