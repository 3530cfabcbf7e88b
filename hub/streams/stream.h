/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a stream wants and where it goes: the resource, parsed once. Which events
 * match, nothing of how far it has come (hub/deliver) or of its secrets (sealed).
 */
#pragma once

#include <jansson.h>

#include "hub/eventlog/event.h"
#include "lib/ssf/attr.h"
#include "lib/ssf/jwk.h"

#define STREAM_METHOD_PUSH "urn:ietf:rfc:8935"
#define STREAM_METHOD_POLL "urn:ietf:rfc:8936"
#define STREAM_ORIGIN "stream:" /* and the id: origin of control events of ours */

#define STREAM_EVENTS_MAX 64 /* event types that a stream names */
#define STREAM_BACKLOG_MAX 1000000000
#define STREAM_SECONDS_MAX 31536000 /* heartbeat and inactivity_timeout: a year */

enum stream_method { STREAM_PUSH, STREAM_POLL };
enum stream_status { STREAM_ENABLED, STREAM_PAUSED, STREAM_DISABLED };

/* Strings are borrowed from spec, which the stream holds a reference to. */
struct stream {
	char *id;
	const json_t *spec;
	const char *client;
	char *audience; /* the stream's, else the client's */
	enum stream_method method;
	enum stream_status status;
	enum ssf_alg alg;
	const char *endpoint;      /* push: URL */
	const char *authorization; /* push: sealed header value, or NULL */
	const json_t *events;      /* array of event type URIs, or NULL: all */
	bool all_subjects;         /* until some are removed; otherwise none until some are added */
	int64_t heartbeat_s;       /* between two; 0: none, -1: as the hub's setting says */
	int64_t inactivity_s;      /* inactivity_timeout; as above */
	int64_t backlog_limit;     /* events that may wait; as above */
};

/* The members of a stream resource; client is its client's spec. Errors name the member. */
ssf_nodiscard int stream_parse(const char *id, const json_t *spec, const json_t *client,
			       struct stream **out, struct ssf_err *err);
void stream_free(struct stream *s);
SSF_DEFINE_AUTO(stream)

const char *stream_status_name(enum stream_status status); /* as in the resource */

/* Signals (without sub_id) match no stream; control events only the one that they are about. */
bool stream_wants(const struct stream *s, const struct event *e);
