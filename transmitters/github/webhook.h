/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GitHub webhooks (docs.github.com, "Webhook events and payloads"): HMAC-SHA256 of the
 * raw body in X-Hub-Signature-256, JSON or form bodies, dedupe by hook id and delivery GUID.
 */
#pragma once

#include "transmitters/signal.h"

#define GITHUB_WEBHOOK_MAX (25 * 1024 * 1024) /* GitHub's own cap */

/* The headers that matter; views into the request, empty if absent. */
struct github_delivery {
	struct ssf_str event;        /* X-GitHub-Event */
	struct ssf_str delivery;     /* X-GitHub-Delivery */
	struct ssf_str hook_id;      /* X-GitHub-Hook-ID */
	struct ssf_str signature;    /* X-Hub-Signature-256 */
	struct ssf_str content_type;
	struct ssf_str body;         /* raw */
};

/*
 * Checks the signature over the raw body against each of the secrets (several
 * during rotation), in constant time. SSF_E_UNAUTHENTICATED if none fits or the header is
 * missing or malformed; X-Hub-Signature (SHA-1) is never looked at.
 */
ssf_nodiscard int github_webhook_verify(const struct github_delivery *d,
					const struct ssf_str *secrets, size_t count,
					struct ssf_err *err);

/*
 * The signals of a verified delivery; exactly one. Type "github.<event>" with
 * ".<action>" behind it where the body has one, so that events of tomorrow are
 * stored too; an action that is not made of [a-z0-9_] counts as none. For
 * secret_scanning_alert and _location, detail has the members named in
 * docs/sources/github.md; lookup is GITHUB_ALERT when the alert is news of
 * a live leak (created, reopened, publicly_leaked, or validated with validity active;
 * never when resolution is set or validity is inactive). Events that are not known keep
 * only action, repository, organization and sender: an unknown body may hold anything.
 * SSF_E_MALFORMED: missing or malformed event, delivery or hook id header (hook id may be
 * absent), body not JSON, alert without number or repository.
 */
ssf_nodiscard int github_webhook_map(const struct github_delivery *d, struct signal_list *out,
				     struct ssf_err *err);

/*
 * The answer of GET /repos/{o}/{r}/secret-scanning/alerts/{n}: hashes "secret" into
 * *out and wipes it from the parsed value. alert: new object with what else is worth
 * keeping (secret_type, validity, resolution, publicly_leaked, html_url). SSF_E_MALFORMED if no
 * secret is in it.
 */
ssf_nodiscard int github_alert_parse(struct ssf_str body, uint8_t fingerprint[SSF_SHA256_LEN],
				     json_t **alert, struct ssf_err *err);

/*
 * "https://api.github.com" and "acme/app" and 42 to the URL of that call; SSF_E_MALFORMED on odd
 * names. Takes http:// too: whether that may be used is for whoever connects to decide.
 */
ssf_nodiscard int github_alert_url(const char *api, const char *repository, json_int_t number,
				   struct ssf_buf *out, struct ssf_err *err);
