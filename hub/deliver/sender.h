/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What brings the open events of one stream to its receiver: by push (push/pusher.h) or by poll (poll/poll.h). A
 * subscription owns a sender and knows it only by this interface; a sender knows its subscription only by
 * struct sender_events. A sender never settles an event itself.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "hub/deliver/window.h"
#include "hub/streams/stream.h"

struct sender;

struct sender_status {
	size_t in_flight;       /* pushes under way */
	size_t waiting_retries; /* pushes that wait for their next attempt */
	size_t waiting_polls;   /* long polls that are held */
	const char *circuit;    /* of the push endpoint (push/endpoint.h); or NULL */
};

struct sender_ops {
	/* An event was opened. Its entry stays until remove(). */
	void (*add)(struct sender *s, struct window_entry *e);
	/* The entry is about to go: what is under way for it stops. */
	void (*remove)(struct sender *s, struct window_entry *e);
	/* The event, which was given up, is to be sent after all. */
	void (*give_back)(struct sender *s, struct window_entry *e);
	/* There may be something to send. Never sends from inside. */
	void (*wake)(struct sender *s);
	/* What waits for its next attempt is tried at once. */
	void (*retry_now)(struct sender *s);
	/* A signing key has gone: what is under way is signed and sent again. */
	void (*resend)(struct sender *s);
	/* The subscription has its position; failing: the last attempt has failed, as stored. */
	void (*loaded)(struct sender *s, bool failing);
	/* Ends what waits for the stream, but no attempt. */
	void (*release)(struct sender *s);
	void (*status)(const struct sender *s, struct sender_status *out);
	/* Stops what is under way; all entries were removed. */
	void (*free)(struct sender *s);
};

/* First member of each sender. */
struct sender {
	const struct sender_ops *ops;
};

/* What a sender asks of its subscription, and tells it. None of these frees the sender. */
struct sender_events {
	bool (*is_owned)(void *arg);  /* this process may act for the stream */
	bool (*may_begin)(void *arg); /* the same, and it is not stopping */
	bool (*is_loaded)(void *arg); /* the position of the stream is known */
	bool (*may_send)(void *arg, const struct window_entry *e);
	bool (*is_expired)(void *arg, const struct window_entry *e); /* older than delivery_max_age */
	/* The receiver has the event. The entry is gone afterwards. */
	void (*settled)(void *arg, struct window_entry *e);
	/*
	 * The event is given up: its dead letter is written, then it is settled; or, if that fails, give_back() is
	 * called. The caller has nothing under way for it any more. false: it could not be started.
	 */
	bool (*give_up)(void *arg, struct window_entry *e, const char *reason);
	/* For the stream's health. failing: an attempt has failed; otherwise the receiver has refused one event. */
	void (*error)(void *arg, const char *what, bool failing);
	void (*active)(void *arg); /* the receiver is, now (SSF 1.0 section 8.1.1) */
	void (*idle)(void *arg);   /* an attempt has ended: perhaps nothing is in flight any more */
};

struct sender_spec {
	const struct stream *stream; /* borrowed, as the window is, until the sender is freed */
	const struct window *window;
	bool failing;
	const struct sender_events *events;
	void *arg;
};
/* NULL: out of memory. */
typedef struct sender *sender_make_f(void *arg, const struct sender_spec *spec);
