-- The streams of a client, without a look at all streams.
create index resource_stream_client on resource ((spec->>'client')) where kind = 'stream';

-- As before; what it checks at its end grew with the streams in the batch times all that there are.
create or replace function put_resources(batch jsonb)
returns table (kind text, id text, version bigint) language plpgsql as $$
declare
	item record;
	had resource;
	v bigint;
begin
	perform pg_advisory_xact_lock(7236520, 2);
	for item in select * from jsonb_to_recordset(batch)
		as b(kind text, id text, spec jsonb, actor text, expected bigint, most bigint)
	loop
		select r.* into had from resource r where r.kind = item.kind and r.id = item.id;
		if item.expected is not null and coalesce(had.version, 0) <> item.expected then
			raise exception '% % has changed meanwhile', item.kind, item.id using errcode = '40001';
		end if;
		if item.most is not null and item.most <= (select count(*) from resource r
			where r.kind = 'stream' and r.kind = item.kind and r.spec->>'client' = item.spec->>'client')
		then
			raise exception 'this client has all it may have' using errcode = '40001';
		end if;
		select coalesce(max(h.version), 0) + 1 into v from resource_history h
			where h.kind = item.kind and h.id = item.id;
		insert into resource_history (kind, id, version, spec, actor)
			values (item.kind, item.id, v, item.spec, item.actor);
		if item.spec is null then
			delete from resource r where r.kind = item.kind and r.id = item.id;
			if item.kind = 'stream' then
				delete from stream_state s where s.stream_id = item.id;
				delete from stream_subject s where s.stream_id = item.id;
				delete from dead_letter d where d.stream_id = item.id;
			end if;
		else
			insert into resource as r (kind, id, version, spec) values (item.kind, item.id, v, item.spec)
			on conflict on constraint resource_pkey do update
				set version = v, spec = excluded.spec, updated_at = clock_timestamp();
			if item.kind = 'stream' then
				insert into stream_state (stream_id, cursor)
					values (item.id, (select coalesce(max(e.seq), 0) from event e))
				on conflict do nothing;
				if had.spec is not null and item.actor not like 'client:%'
					and coalesce(had.spec->>'status', 'enabled') <> coalesce(item.spec->>'status', 'enabled')
				then
					perform append_events(jsonb_build_array(jsonb_build_object(
						'origin', 'stream:' || item.id, 'origin_id', 'status.' || v,
						'type', 'https://schemas.openid.net/secevent/ssf/event-type/stream-updated',
						'txn', gen_random_uuid()::text,
						'sub_id', jsonb_build_object('format', 'opaque', 'id', item.id),
						'body', jsonb_strip_nulls(jsonb_build_object(
							'status', coalesce(item.spec->>'status', 'enabled'),
							'reason', item.spec->>'status_reason')))));
				end if;
			end if;
		end if;
		kind := item.kind;
		id := item.id;
		version := v;
		return next;
	end loop;
	-- what the hub checked in its memory may have changed since
	if exists (
		select from jsonb_to_recordset(batch) as b(kind text, id text)
		join resource s on s.kind = 'stream' and s.id = b.id
		where b.kind = 'stream' and not exists (
			select from resource c where c.kind = 'client' and c.id = s.spec->>'client'))
	or exists (
		select from jsonb_to_recordset(batch) as b(kind text, id text)
		join resource s on s.kind = 'stream' and s.spec->>'client' = b.id
		where b.kind = 'client' and not exists (
			select from resource c where c.kind = 'client' and c.id = b.id))
	then
		raise exception 'a stream and its client have changed meanwhile' using errcode = '40001';
	end if;
end
$$;
