/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the hub does to streams by itself: heartbeats, which are verification events that nobody asked
 * for (SSF 1.0 section 8.1.4.2), and inactivity_timeout (section 8.1.1).
 */
#pragma once

#include "hub/api/api.h"

struct upkeep;

/* api is borrowed; nothing is done before it is ready, nor while it drains or its database is away. */
ssf_nodiscard int upkeep_new(struct loop *loop, struct api *api, struct upkeep **out,
			     struct ssf_err *err);
/* After db_stop(): no pause may be under way. */
void upkeep_free(struct upkeep *u);

/*
 * Whether a stream has been without activity for its timeout. While the hub was away nobody could be
 * active: since_ms, when it was ready, leaves a tenth of the timeout, at most a minute, to come back.
 */
bool upkeep_is_inactive(const struct deliver_life *life, int64_t since_ms, int64_t now_ms);

/*
 * Whether the next heartbeat is due. Not before the receiver has the one before; what was missed is
 * not made up for. A clock that was set back makes it due.
 */
bool upkeep_heartbeat_due(const struct deliver_life *life, int64_t now_ms);
