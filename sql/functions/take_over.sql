-- SPDX-License-Identifier: Apache-2.0
-- Copies what the former owners have saved of the streams of these units into the checkpoint of process "me", and drops what
-- it had saved of them itself at an earlier time.
create function take_over(me uuid, units smallint[], owners uuid[]) returns void language sql as $$
	insert into checkpoint as mine (owner, state)
	select me, coalesce(jsonb_object_agg(x.key, x.value), '{}') from (
		select e.key, e.value from checkpoint c cross join jsonb_each(c.state) e
		join stream_state s on s.stream_id = e.key
			and s.rewound = (e.value->>'rewound')::bigint and s.shard <> all (units)
		where c.owner = me
		union all
		select e.key, e.value from unnest(units, owners) b(id, owner)
		join checkpoint c on c.owner = b.owner cross join jsonb_each(c.state) e
		join stream_state s on s.stream_id = e.key
			and s.rewound = (e.value->>'rewound')::bigint and s.shard = b.id
	) x
	on conflict (owner) do update set state = excluded.state, at = clock_timestamp();
$$;
