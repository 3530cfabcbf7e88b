/* SPDX-License-Identifier: Apache-2.0 */
#include "hub/registry/kinds/kind.h"

#include "hub/streams/stream.h"

#include <stdlib.h>

static const char *const statuses[] = { "enabled", "paused", "disabled", NULL };
static const char *const algs[] = { "RS256", "ES256", NULL };
static const char *const default_subjects[] = { "ALL", "NONE", NULL };

static const struct kind_member push[] = {
	{ "endpoint_url", KIND_PUSH_URL, KIND_REQUIRED, .help = "Where SETs are pushed to.",
	  .example = "\"https://api.example/events\"" },
	{ "authorization_header", KIND_SEALED_SECRET, KIND_IN_HEADER,
	  .help = "The Authorization header of each push.", .example = "\"Bearer 5f3c1a\"" },
	{ .name = NULL },
};

static const struct kind_variant *methods(void)
{
	static const struct kind_object push_object = { push, NULL };
	static const struct kind_variant variants[] = {
		{ STREAM_METHOD_PUSH, "push, RFC 8935", &push_object },
		{ STREAM_METHOD_POLL, "poll, RFC 8936", NULL },
		{ .value = NULL },
	};

	return variants;
}

static const struct kind_member delivery[] = {
	{ "method", KIND_CHOICE, KIND_REQUIRED, .variants = methods, .help = "Push or poll.",
	  .example = "\"" STREAM_METHOD_PUSH "\"" },
	{ .name = NULL },
};

static const struct kind_object delivery_object = { delivery, NULL };

static const struct kind_member members[] = {
	{ "client", KIND_REFERENCE, KIND_REQUIRED, .target = KIND_CLIENT, .help = "The receiver that the stream is for.",
	  .example = "\"api-gw\"" },
	{ "audience", KIND_STRING, .absent = "The client's.", .help = "aud of its SETs.",
	  .example = "\"https://api.example\"" },
	{ "delivery", KIND_OBJECT, KIND_REQUIRED, .object = &delivery_object, .help = "How SETs are delivered.",
	  .example = "{\"method\":\"" STREAM_METHOD_POLL "\"}" },
	{ "status", KIND_CHOICE, .values = statuses, .absent = "enabled.",
	  .help = "A paused stream keeps its events, a disabled one does not (SSF 1.0 section 8.1.2).",
	  .example = "\"enabled\"" },
	{ "status_reason", KIND_STRING, .help = "Why the status is what it is.", .example = "\"maintenance\"" },
	{ "alg", KIND_CHOICE, .values = algs, .absent = "The client's, else RS256.",
	  .help = "The signature algorithm of its SETs.", .example = "\"ES256\"" },
	{ "events", KIND_TEXTS, .max = STREAM_EVENTS_MAX, .absent = "All.",
	  .help = "URIs of the event types that are delivered.",
	  .example = "[\"https://schemas.openid.net/secevent/caep/event-type/session-revoked\"]" },
	{ "events_requested", KIND_TEXTS, .help = "The event types that the receiver asked for, known or not.",
	  .example = "[\"https://schemas.openid.net/secevent/caep/event-type/session-revoked\"]" },
	{ "description", KIND_STRING, .help = "The receiver's own words.", .example = "\"purges the token cache\"" },
	{ "default_subjects", KIND_CHOICE, .values = default_subjects, .absent = "ALL.",
	  .help = "The subjects of the stream before any are added or removed.", .example = "\"ALL\"" },
	{ "heartbeat", KIND_INTEGER, .max = STREAM_SECONDS_MAX, .absent = "The setting heartbeat.",
	  .help = "Seconds between verification events that nobody requested; 0: none.", .example = "3600" },
	{ "inactivity_timeout", KIND_INTEGER, .max = STREAM_SECONDS_MAX, .absent = "The setting inactivity_timeout.",
	  .help = "Seconds without activity of the receiver until the stream is paused; 0: never.",
	  .example = "86400" },
	{ "backlog_limit", KIND_INTEGER, .max = STREAM_BACKLOG_MAX, .absent = "The setting backlog_limit.",
	  .help = "How many events may wait before the stream is paused; 0: any number.", .example = "100000" },
	{ .name = NULL },
};

/* Streams are parsed when they are loaded, too: one that does not parse must never be stored. */
static int check_stream(const struct kind_check *c)
{
	const char *client = json_string_value(json_object_get(c->spec, "client"));
	ssf_auto(stream) parsed = NULL;
	struct ssf_err err;

	if (stream_parse(c->id, c->spec, c->find(c, KIND_CLIENT, client), &parsed, &err) < 0)
		return ssf_diagnose_err(c->diagnostic, c->at, &err);
	return 0;
}

const struct kind_info kind_stream = {
	.name = "stream",
	.plural = "streams",
	.help = "Where events go: made by the operator, or by the receiver at /ssf/streams.",
	.example = "{\"kind\":\"stream\",\"id\":\"api-gw-push\",\"client\":\"api-gw\",\"alg\":\"RS256\","
		   "\"events\":[\"https://schemas.openid.net/secevent/caep/event-type/session-revoked\"],"
		   "\"delivery\":{\"method\":\"" STREAM_METHOD_PUSH "\","
		   "\"endpoint_url\":\"https://api.example/events\",\"authorization_header\":\"Bearer 5f3c1a\"}}",
	.object = { members, NULL },
	.check = check_stream,
};
