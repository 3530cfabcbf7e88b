/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sink that purges Redis: the rules make a plan of a SET (purge_plan.h), the plan is carried
 * out (purge.h). A SET that no rule applies to is not for this sink.
 */
#pragma once

#include "receivers/lib/sink.h"
#include "receivers/sinks/redis/purge_rules.h"
#include "receivers/sinks/redis/redis.h"

struct redis_sink { /* borrowed for life */
	struct redis *redis;
	const struct purge_rules *rules;
};

/* s is borrowed for as long as the sink is used. */
struct sink redis_sink(struct redis_sink *s);
