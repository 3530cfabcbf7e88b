/* SPDX-License-Identifier: Apache-2.0 */
/* Parses stream resources and matches events to them. */
#include "hub/streams/stream.h"

#include "lib/ssf/json.h"

#include <stdlib.h>
#include <string.h>
static int parse_method(const json_t *delivery, struct stream *s, struct ssf_err *err)
{
	static const char *const push[] = { "method", "endpoint_url", "authorization_header",
					    NULL };
	static const char *const poll[] = { "method", NULL };
	const char *method;

	if (!json_is_object(delivery))
		return ssf_fail(err, SSF_E_MALFORMED, "delivery: must be an object");
	if (ssf_json_get_str(delivery, "method", &method, err) < 0)
		return ssf_fail_prefix(err, "delivery");
	if (strcmp(method, STREAM_METHOD_PUSH) == 0)
		s->method = STREAM_PUSH;
	else if (strcmp(method, STREAM_METHOD_POLL) == 0)
		s->method = STREAM_POLL;
	else
		return ssf_fail(err, SSF_E_MALFORMED, "delivery: method must be \"%s\" or \"%s\"",
				STREAM_METHOD_PUSH, STREAM_METHOD_POLL);
	if (ssf_json_only(delivery, s->method == STREAM_PUSH ? push : poll, err) < 0)
		return ssf_fail_prefix(err, "delivery");
	if (s->method == STREAM_PUSH &&
	    ssf_json_get_str(delivery, "endpoint_url", &s->endpoint, err) < 0)
		return ssf_fail_prefix(err, "delivery");
	s->authorization = json_string_value(
		json_object_get(json_object_get(delivery, "authorization_header"), "sealed"));
	return 0;
}

static const char *const status_names[] = {
	[STREAM_ENABLED] = "enabled",
	[STREAM_PAUSED] = "paused",
	[STREAM_DISABLED] = "disabled",
};

const char *stream_status_name(enum stream_status status)
{
	return status_names[status];
}

static int parse_status(const json_t *spec, struct stream *s, struct ssf_err *err)
{
	const char *status = "enabled";

	if (ssf_json_opt_str(spec, "status", &status, err) < 0)
		return -1;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(status_names); i++) {
		if (strcmp(status, status_names[i]) == 0) {
			s->status = (enum stream_status)i;
			return 0;
		}
	}
	return ssf_fail(err, SSF_E_MALFORMED, "status: must be enabled, paused or disabled");
}

/* The stream's, else its client's, else what everybody can verify (CAEP interop profile). */
static int parse_alg(const json_t *spec, const json_t *client, struct stream *s,
		     struct ssf_err *err)
{
	const char *alg = "RS256";

	if (ssf_json_opt_str(client, "alg", &alg, err) < 0 ||
	    ssf_json_opt_str(spec, "alg", &alg, err) < 0)
		return -1;
	s->alg = ssf_alg_from_name(ssf_str_c(alg));
	if (s->alg == SSF_ALG_NONE)
		return ssf_fail(err, SSF_E_MALFORMED, "alg: must be RS256 or ES256");
	return 0;
}

static int parse_default_subjects(const json_t *spec, struct stream *s, struct ssf_err *err)
{
	const char *initial = "ALL";

	if (ssf_json_opt_str(spec, "default_subjects", &initial, err) < 0)
		return -1;
	s->all_subjects = strcmp(initial, "ALL") == 0;
	if (!s->all_subjects && strcmp(initial, "NONE") != 0)
		return ssf_fail(err, SSF_E_MALFORMED, "default_subjects: must be ALL or NONE");
	return 0;
}

/* -1 if it is not there. */
static int parse_number(const json_t *spec, const char *name, int64_t max, int64_t *out,
			struct ssf_err *err)
{
	json_int_t value = -1;

	if (json_object_get(spec, name) != NULL) {
		if (ssf_json_opt_int(spec, name, &value, err) < 0)
			return -1;
		if (value < 0 || value > max)
			return ssf_fail(err, SSF_E_MALFORMED, "%s: must be 0 to %lld", name,
					(long long)max);
	}
	*out = value;
	return 0;
}

static int parse_audience(const json_t *spec, const json_t *client, struct stream *s,
			  struct ssf_err *err)
{
	const char *audience = NULL;

	if (ssf_json_opt_str(spec, "audience", &audience, err) < 0)
		return -1;
	if (audience == NULL && ssf_json_get_str(client, "audience", &audience, err) < 0)
		return ssf_fail_prefix(err, "client");
	s->audience = strdup(audience);
	return s->audience != NULL ? 0 : ssf_fail(err, SSF_E_NOMEM, "audience");
}

int stream_parse(const char *id, const json_t *spec, const json_t *client, struct stream **out,
		 struct ssf_err *err)
{
	static const char *const names[] = { "client",
					     "audience",
					     "delivery",
					     "status",
					     "alg",
					     "events",
					     "description",
					     "status_reason",
					     "events_requested",
					     "default_subjects",
					     "heartbeat",
					     "inactivity_timeout",
					     "backlog_limit",
					     NULL };
	ssf_auto(stream) s = calloc(1, sizeof(*s));
	const char *description = NULL;

	if (s == NULL || (s->id = strdup(id)) == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "stream");
	s->spec = json_incref((json_t *)spec);
	if (ssf_json_only(spec, names, err) < 0 ||
	    ssf_json_get_str(spec, "client", &s->client, err) < 0 ||
	    ssf_json_opt_str(spec, "description", &description, err) < 0 ||
	    ssf_json_opt_strings(spec, "events", STREAM_EVENTS_MAX, &s->events, err) < 0 ||
	    parse_audience(spec, client, s, err) < 0 ||
	    parse_method(json_object_get(spec, "delivery"), s, err) < 0 ||
	    parse_status(spec, s, err) < 0 || parse_alg(spec, client, s, err) < 0 ||
	    parse_default_subjects(spec, s, err) < 0 ||
	    parse_number(spec, "heartbeat", STREAM_SECONDS_MAX, &s->heartbeat_s, err) < 0 ||
	    parse_number(spec, "inactivity_timeout", STREAM_SECONDS_MAX, &s->inactivity_s,
			 err) < 0 ||
	    parse_number(spec, "backlog_limit", STREAM_BACKLOG_MAX, &s->backlog_limit, err) < 0)
		return -1;
	*out = SSF_STEAL(s);
	return 0;
}

void stream_free(struct stream *s)
{
	if (s == NULL)
		return;
	json_decref((json_t *)s->spec);
	free(s->audience);
	free(s->id);
	free(s);
}

bool stream_wants(const struct stream *s, const struct event *e)
{
	const json_t *type;
	size_t i;

	if (e->control) /* about one stream, and for its receiver alone */
		return strncmp(e->origin, STREAM_ORIGIN, strlen(STREAM_ORIGIN)) == 0 &&
		       strcmp(e->origin + strlen(STREAM_ORIGIN), s->id) == 0;
	if (e->sub_id == NULL) /* signals are not for receivers */
		return false;
	if (s->events == NULL)
		return true;
	json_array_foreach(s->events, i, type) {
		if (strcmp(json_string_value(type), e->type) == 0)
			return true;
	}
	return false;
}
