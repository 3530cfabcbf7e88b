-- SPDX-License-Identifier: Apache-2.0
-- Where these streams (null: all) stand now. A checkpoint may be large: it is unpacked once, not for each stream.
create function stream_positions(ids text[] default null) returns table (stream_id text, rewound bigint, cursor bigint,
	acked int8multirange, delivered bigint, last_success_at timestamptz, last_error_at timestamptz,
	last_error text, failing boolean, active_at timestamptz, heartbeat_at timestamptz, heartbeat_seq bigint,
	backlog bigint, backlog_base bigint, owed int8multirange, again_at timestamptz, shard smallint)
language plpgsql stable as $$
declare
	who uuid;
	saved jsonb;
begin
	ids := coalesce(ids, array(select x.stream_id from stream_state x));
	for who in select distinct u.owner from unit u loop
		saved := coalesce((select c.state from checkpoint c where c.owner = who), '{}') || '{}';
		return query select s.stream_id, s.rewound, coalesce((e.v->>'cursor')::bigint, s.cursor),
			coalesce((e.v->>'acked')::int8multirange, case when e.v is null then s.acked else '{}' end),
			coalesce((e.v->>'delivered')::bigint, s.delivered),
			coalesce(to_timestamp((e.v->>'success_at')::double precision), s.last_success_at),
			coalesce(to_timestamp((e.v->>'error_at')::double precision), s.last_error_at),
			coalesce(e.v->>'error', s.last_error), coalesce((e.v->>'failing')::boolean, s.failing),
			greatest(to_timestamp((e.v->>'active_at')::double precision), s.active_at),
			greatest(to_timestamp((e.v->>'heartbeat_at')::double precision), s.heartbeat_at),
			greatest((e.v->>'heartbeat_seq')::bigint, s.heartbeat_seq),
			coalesce((e.v->>'backlog')::bigint, s.backlog),
			coalesce((e.v->>'backlog_base')::bigint, s.backlog_base), s.owed, s.again_at, s.shard
		from stream_state s
		join unit u on u.id = s.shard and u.owner is not distinct from who
		cross join lateral (select case when (x.v->>'rewound')::bigint = s.rewound then x.v end as v
			from (select saved->s.stream_id as v) x) e
		where s.stream_id = any (ids);
	end loop;
end
$$;
