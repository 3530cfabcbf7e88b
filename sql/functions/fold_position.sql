-- SPDX-License-Identifier: Apache-2.0
-- Makes the current position of a stream the one in stream_state: what its owner says ("position", an entry of a checkpoint
-- with "paid"), or else what was saved.
create function fold_position(wanted text, "position" jsonb) returns void language sql as $$
	update stream_state s
	set cursor = coalesce((e.v->>'cursor')::bigint, p.cursor),
		acked = coalesce((e.v->>'acked')::int8multirange, case when e.v is null then p.acked else '{}' end),
		owed = s.owed - coalesce((e.v->>'paid')::int8multirange, '{}'),
		delivered = coalesce((e.v->>'delivered')::bigint, p.delivered),
		last_success_at = coalesce(to_timestamp((e.v->>'success_at')::double precision), p.last_success_at),
		last_error_at = coalesce(to_timestamp((e.v->>'error_at')::double precision), p.last_error_at),
		last_error = coalesce(e.v->>'error', p.last_error),
		failing = coalesce((e.v->>'failing')::boolean, p.failing),
		active_at = greatest(to_timestamp((e.v->>'active_at')::double precision), p.active_at),
		heartbeat_at = greatest(to_timestamp((e.v->>'heartbeat_at')::double precision), p.heartbeat_at),
		heartbeat_seq = greatest((e.v->>'heartbeat_seq')::bigint, p.heartbeat_seq),
		backlog = coalesce((e.v->>'backlog')::bigint, p.backlog),
		backlog_base = coalesce((e.v->>'backlog_base')::bigint, p.backlog_base)
	from stream_positions(array[wanted]) p
	cross join lateral (select case when ("position"->>'rewound')::bigint = p.rewound then "position" end as v) e
	where s.stream_id = wanted and p.stream_id = s.stream_id;
$$;
