-- Streams that receivers manage themselves (SSF 1.0 section 8).

-- Subjects that were added to a stream, or removed from it, against its default.
create table stream_subject (
	stream_id text        not null,
	key       bytea       not null, -- SHA-256 of the canonical subject
	subject   jsonb       not null,
	wanted    boolean     not null,
	until     timestamptz,          -- a removed subject keeps flowing until then
	primary key (stream_id, key)
);

-- As before, and: "expected" is the version that must be there now, "most" how many of the kind a
-- client may have, and a stream's client must exist (40001 otherwise); a change of a stream's status that its own client did not make is told by a stream-updated event, in the
-- same transaction (SSF 1.0 section 8.1.5).
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
			where r.kind = item.kind and r.spec->>'client' = item.spec->>'client')
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
		join resource s on s.kind = 'stream'
			and (b.kind = 'stream' and b.id = s.id or b.kind = 'client' and b.id = s.spec->>'client')
		where not exists (select from resource c where c.kind = 'client' and c.id = s.spec->>'client'))
	then
		raise exception 'a stream and its client have changed meanwhile' using errcode = '40001';
	end if;
end
$$;
