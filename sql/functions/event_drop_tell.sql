-- SPDX-License-Identifier: Apache-2.0
-- Tells the streams that have not read past the last event of partition k, and would have got some of it, that it is
-- dropped. Gives how many.
create function event_drop_tell(k bigint, first_seq bigint, last_seq bigint) returns bigint
language plpgsql as $$
declare
	behind jsonb;
begin
	execute format($q$
		select jsonb_agg(jsonb_build_object('id', s.id, 'from', greatest(t.cursor + 1, $1),
			'status', coalesce(s.spec->>'status', 'enabled')))
		from stream_positions(array(select r.id from resource r where r.kind = 'stream')) t
		join resource s on s.kind = 'stream' and s.id = t.stream_id
		where t.cursor < $2 and coalesce(s.spec->>'status', 'enabled') <> 'disabled'
			and exists (select from event_p%s e where e.seq > t.cursor and e.sub_id is not null
				and case when e.origin like 'stream:%%' then e.origin = 'stream:' || s.id
					else s.spec->'events' is null or s.spec->'events' ? e.type end)$q$, k)
	into behind using first_seq, last_seq;
	if behind is null then
		return 0;
	end if;
	insert into stream_dropped (stream_id, from_seq, to_seq, reason)
	select b.id, b."from", last_seq, 'retention' from jsonb_to_recordset(behind) as b (id text, "from" bigint)
	on conflict do nothing;
	perform append_events((select jsonb_agg(jsonb_build_object(
		'origin', 'stream:' || b.id, 'origin_id', 'dropped.' || last_seq,
		'type', 'https://schemas.openid.net/secevent/ssf/event-type/stream-updated',
		'txn', gen_random_uuid()::text,
		'sub_id', jsonb_build_object('format', 'opaque', 'id', b.id),
		'body', jsonb_build_object('status', b.status, 'reason', format(
			'events %s to %s were dropped before they were delivered: they are older than the retention',
			b."from", last_seq))))
		from jsonb_to_recordset(behind) as b (id text, "from" bigint, status text)));
	return jsonb_array_length(behind);
end
$$;
