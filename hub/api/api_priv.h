/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of hub/api share: a route's arguments, and the handlers that routes.c names. */
#pragma once

#include "hub/api/api.h"

struct route;

struct call {
	struct api *api;
	const struct route *route;
	struct http_req *req;
	struct caller caller;
	char arg[3][129];      /* the variable parts of the path */
};

typedef void handler_f(const struct call *c);

/* Answers with a JSON value and frees it; NULL: out of memory. */
void reply_json(struct http_req *req, int status, json_t *body);

/* wellknown.c */
handler_f api_configuration, api_oauth_server, api_oauth_resource, api_jwks;
/* health.c */
handler_f api_health, api_ready;
/* metrics.c */
handler_f api_metrics;
/* openapi.c */
handler_f api_openapi;
/* resources.c */
handler_f api_apply, api_list, api_get, api_delete;
/* ssf_streams.c */
handler_f api_ssf_create, api_ssf_read, api_ssf_update, api_ssf_replace, api_ssf_delete;
/* ssf_control.c */
handler_f api_ssf_status, api_ssf_set_status, api_ssf_verify;
/* ssf_subjects.c */
handler_f api_ssf_subject_add, api_ssf_subject_remove;
/* stream_test.c */
handler_f api_stream_test;
/* replay.c */
handler_f api_redrive, api_rewind;
/* stream_health.c */
handler_f api_ssf_health, api_stream_health;
/* emit.c */
handler_f api_emit;
/* reports.c */
handler_f api_status, api_explain, api_events, api_unattributed, api_revocations, api_deadletters, api_lift;
/* keys.c */
handler_f api_keys, api_keys_rotate, api_key_revoke;
