/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One attempt to push one event (RFC 8935): sign -> POST -> classify the answer. It must never take an answer for a
 * success that is not 2xx.
 */
#pragma once

#include "hub/keys/set_signer.h"
#include "hub/secrets/seal.h"
#include "hub/streams/stream.h"
#include "lib/http/http_client.h"

/* All borrowed. The client has the egress policy for receivers' addresses. */
struct attempt_deps {
	struct set_signer *signer;
	const struct master_key *master;
	struct http_client *client;
	int64_t timeout_ms; /* of the POST */
};

enum attempt_outcome {
	ATTEMPT_DELIVERED, /* 2xx */
	ATTEMPT_REFUSED,   /* 400: the receiver says what is wrong with this SET (RFC 8935 section 2.3) */
	ATTEMPT_FAILED,
	ATTEMPT_WITHDRAWN, /* it was signed, and must not be sent any more */
};
#define ATTEMPT_WHAT_MAX sizeof(((struct ssf_err *)0)->msg)
struct attempt_result {
	enum attempt_outcome outcome;
	bool posted;        /* a POST has ended, so that the next member says something */
	bool reached;       /* the host took the connection, with TLS where there is any */
	int status;         /* of HTTP; 0: no answer */
	int retry_after_s;  /* the receiver does not want another one before; 0: it does not say */
	int64_t elapsed_us; /* of the POST */
	char what[ATTEMPT_WHAT_MAX]; /* why it was refused or has failed */
};

/* What a POST has ended with: one of r and err is NULL; connected: http_call_connected(). Pure. */
void attempt_classify(const struct http_result *r, const struct ssf_err *err, bool connected, struct attempt_result *out);

struct attempt;
struct attempt_spec {
	const struct stream *stream; /* borrowed, as the event is, until the attempt ends */
	const struct event *event;
	bool (*may_send)(void *arg); /* asked when the signature is there */
};
typedef void attempt_f(void *arg, const struct attempt_result *r); /* borrowed for the call */
/* -1: it could not be started; err says why. */
ssf_nodiscard int attempt_start(const struct attempt_deps *deps, const struct attempt_spec *spec, attempt_f *f,
				void *arg, struct attempt **out, struct ssf_err *err);
void attempt_cancel(struct attempt *a);
/* Its SET is signed and on its way. */
bool attempt_is_posted(const struct attempt *a);
