-- SPDX-License-Identifier: Apache-2.0
-- Puts or deletes (spec null) resources, all or nothing, by process "me". Each element: kind, id, spec, actor, and what
-- must hold (40001 otherwise): "expected" is the current version (0: none), "most" how many of the kind a client may
-- have; a stream's client must exist. A stream that is new starts at the end of the log. A change of a stream's status
-- that its own client did not make is told by a stream-updated event in the same transaction (SSF 1.0 section 8.1.5).
-- Gives a row for each element, with the number of the change, and whether other processes have to learn of it.
create function write_resources(batch jsonb, me uuid default null)
returns table (kind text, id text, version bigint, change bigint, others boolean) language plpgsql as $$
declare
	item record;
	had resource;
begin
	perform pg_advisory_xact_lock(7236520, 2); -- changes are numbered in the order of their commits
	change := coalesce((select max(h.change) from resource_history h), 0);
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
		kind := item.kind;
		id := item.id;
		change := change + 1;
		version := 1 + coalesce((select max(h.version) from resource_history h
			where h.kind = item.kind and h.id = item.id), 0);
		insert into resource_history (kind, id, version, spec, actor, change)
			values (item.kind, item.id, write_resources.version, item.spec, item.actor, write_resources.change);
		if item.spec is null then
			delete from resource r where r.kind = item.kind and r.id = item.id;
			if item.kind = 'stream' then
				delete from stream_state s where s.stream_id = item.id;
				delete from stream_subject s where s.stream_id = item.id;
				delete from dead_letter d where d.stream_id = item.id;
			end if;
		else
			insert into resource as r (kind, id, version, spec)
				values (item.kind, item.id, write_resources.version, item.spec)
			on conflict on constraint resource_pkey do update
				set version = excluded.version, spec = excluded.spec, updated_at = clock_timestamp();
			if item.kind = 'stream' then
				insert into stream_state (stream_id, cursor)
					values (item.id, (select coalesce(max(e.seq), 0) from event e))
				on conflict do nothing;
				if had.spec is not null and item.actor not like 'client:%'
					and coalesce(had.spec->>'status', 'enabled') <> coalesce(item.spec->>'status', 'enabled')
				then
					perform append_events(jsonb_build_array(jsonb_build_object(
						'origin', 'stream:' || item.id, 'origin_id', 'status.' || write_resources.version,
						'type', 'https://schemas.openid.net/secevent/ssf/event-type/stream-updated',
						'txn', gen_random_uuid()::text,
						'sub_id', jsonb_build_object('format', 'opaque', 'id', item.id),
						'body', jsonb_strip_nulls(jsonb_build_object(
							'status', coalesce(item.spec->>'status', 'enabled'),
							'reason', item.spec->>'status_reason')))));
				end if;
			end if;
		end if;
		others := exists (select from member m where m.owner is distinct from me);
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
