-- Several processes on one database (docs/adr/0010-units-locks-epochs.md). The work is divided into units:
-- streams by their shard (0 to 63), and what only one process may do (64: the rules, 65: attribution). Who
-- holds the advisory lock of a unit owns it; every acquisition raises its epoch, and what an owner writes is
-- refused unless owner and epoch are still these.
create table ownership (
	epochs bigint[] not null, -- of unit 0, 1 ...: one row, so that taking them all is one write
	owners uuid[]   not null  -- the last ones, also when they are gone: their checkpoints are where units stand
);
insert into ownership values (array_fill(0::bigint, '{66}'), array_fill(null::uuid, '{66}'));
create view unit as
	select (u.n - 1)::smallint as id, u.epoch, u.owner
	from ownership o cross join unnest(o.epochs, o.owners) with ordinality u(epoch, owner, n);

-- Processes that share the work. One is alive as long as its session holds the lock of its number.
-- What they have taken over of changes: of resources and of signing keys. Lost in a crash, like the sessions.
create unlogged table member (
	owner  uuid   primary key,
	number int    not null,
	url    text   not null, -- where the others reach it
	change bigint not null,
	keys   bigint not null
);
create sequence member_number as int cycle;

-- How far the streams of each process have come: one row a process, however many they are. state: stream
-- to {"rewound","cursor","acked","delivered",...}, as stream_positions() reads it.
create table checkpoint (
	owner uuid        primary key,
	state jsonb       not null,
	n     bigint      not null default 0, -- which checkpoint of its owner's it is
	at    timestamptz not null default clock_timestamp()
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500,
	toast.autovacuum_vacuum_scale_factor = 0, toast.autovacuum_vacuum_threshold = 5000);

-- The unit of a stream: by the first byte of the SHA-256 of its id, as hub/cluster/owner.c has it.
create function shard_of(stream text) returns smallint language sql immutable strict parallel safe as $$
	select (get_byte(sha256(convert_to(stream, 'UTF8')), 0) & 63)::smallint
$$;

-- stream_state is where a stream begins. What its owner has saved since counts instead when it is of the
-- same "rewound". What is owed stands in stream_state alone.
alter table stream_state
	add column shard smallint not null generated always as (shard_of(stream_id)) stored;
create index stream_state_shard on stream_state (shard);

-- Where streams stand now. A checkpoint may be large: it is unpacked once, not for each stream.
create function stream_positions(ids text[]) returns table (stream_id text, rewound bigint, cursor bigint,
	acked int8multirange, delivered bigint, last_success_at timestamptz, last_error_at timestamptz,
	last_error text, failing boolean, active_at timestamptz, heartbeat_at timestamptz, heartbeat_seq bigint,
	backlog bigint, backlog_base bigint, owed int8multirange, again_at timestamptz)
language plpgsql stable as $$
declare
	who uuid;
	saved jsonb;
begin
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
			coalesce((e.v->>'backlog_base')::bigint, s.backlog_base), s.owed, s.again_at
		from stream_state s
		join unit u on u.id = s.shard and u.owner is not distinct from who
		cross join lateral (select case when (x.v->>'rewound')::bigint = s.rewound then x.v end as v
			from (select saved->s.stream_id as v) x) e
		where s.stream_id = any (ids);
	end loop;
end
$$;

-- Held shared by whoever writes as an owner, exclusively while units change hands: an owner that
-- was found to be one still is when its write is committed.
create function fence_lock() returns void language sql as $$
	select pg_advisory_xact_lock_shared(7236520, 4);
$$;

-- Fails unless this process owns these units under these epochs. For the rest of the transaction.
create function fence(me uuid, units smallint[], epochs bigint[]) returns void language plpgsql as $$
begin
	perform fence_lock();
	if exists (select from unnest(units, epochs) x(id, epoch) left join unit u on u.id = x.id
		where u.owner is distinct from me or u.epoch <> x.epoch)
	then
		raise exception 'this process does not own the unit any more' using errcode = '40001';
	end if;
end
$$;

-- Where all streams stand: for people.
create view stream_position as
	select p.*, s.shard from stream_state s
	join stream_positions(array(select x.stream_id from stream_state x)) p on p.stream_id = s.stream_id;

drop function checkpoint_streams(jsonb);

-- Advisory locks that sessions of this database hold: 7236521: units; 7236522: members, by their number;
-- 7236523: those of them that leave, which hand their units over and take none.
create view owner_lock as
	select l.classid::bigint::int as class, l.objid::bigint::int as id, l.pid
	from pg_locks l
	where l.locktype = 'advisory' and l.objsubid = 2 and l.granted
		and l.classid in (7236521, 7236522, 7236523)
		and l.database = (select d.oid from pg_database d where d.datname = current_database());

-- A process takes part from now on, by the session that calls this. An earlier session of its own that
-- the server has not missed yet is ended: it holds what this one wants.
create function owner_join(me uuid, its_url text, its_change bigint, its_keys bigint) returns void language plpgsql as $$
declare
	n int := nextval('member_number');
begin
	perform pg_terminate_backend(l.pid, 1000) from member m join owner_lock l on l.class = 7236522 and l.id = m.number
	where m.owner = me and l.pid <> pg_backend_pid();
	perform pg_advisory_lock(7236522, n);
	insert into member values (me, n, its_url, its_change, its_keys)
	on conflict (owner) do update set number = excluded.number, url = excluded.url,
		change = excluded.change, keys = excluded.keys;
end
$$;

-- Takes what others have saved of the streams of these units over into the checkpoint of this
-- process. What it had of them itself from earlier times goes.
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

-- Acquires free units, at most so many. Gives [{"unit","epoch"}].
create function acquire_units(me uuid, most int) returns jsonb language plpgsql as $$
declare
	wanted smallint[];
	got smallint[] := '{}';
	others smallint[];
	owners uuid[];
	n smallint;
	taken jsonb;
begin
	wanted := array(select u.id from unit u
		where not exists (select from owner_lock l where l.class = 7236521 and l.id = u.id)
		order by u.id < 64, random() limit most);
	foreach n in array wanted loop
		if pg_try_advisory_lock(7236521, n) then
			got := got || n;
		end if;
	end loop;
	if got = '{}' then
		return '[]';
	end if;
	-- what others have changed before is seen by whoever owns the streams that it is about: put_resources()
	perform pg_advisory_xact_lock_shared(7236520, 2);
	perform pg_advisory_xact_lock(7236520, 4);
	select coalesce(array_agg(u.id), '{}'), coalesce(array_agg(u.owner), '{}') into others, owners
	from unit u where u.id = any (got) and u.owner <> me;
	update ownership o set (epochs, owners) = (
		select array_agg(case when u.id = any (got) then u.epoch + 1 else u.epoch end order by u.id),
			array_agg(case when u.id = any (got) then me else u.owner end order by u.id)
		from unit u);
	select jsonb_agg(jsonb_build_object('unit', u.id, 'epoch', u.epoch)) into taken
	from unit u where u.id = any (got);
	if others <> '{}' then
		perform take_over(me, others, owners);
	end if;
	-- nobody needs these: who comes back begins with what it acquires
	delete from checkpoint c where not exists (select from unit u where u.owner = c.owner)
		and c.owner <> me and not exists (select from member m where m.owner = c.owner);
	return taken;
end
$$;

-- What a process does a few times a second, by its session: says what it has taken over of changes,
-- acquires free units up to its fair share, and learns who is there and what has changed. Gives null
-- if it does not take part (any more).
create function owner_tick(me uuid, its_change bigint, its_keys bigint, it_leaves boolean) returns jsonb
language plpgsql as $$
declare
	alive int[] := array(select l.id from owner_lock l where l.class = 7236522);
	held int := (select count(*) from owner_lock l where l.class = 7236521 and l.pid = pg_backend_pid());
	its_number int := (select m.number from member m where m.owner = me);
	stay int;
	share int;
	taken jsonb := '[]';
begin
	if its_number is null or its_number <> all (alive) then
		return null;
	end if;
	update member m set change = its_change, keys = its_keys
	where m.owner = me and (m.change <> its_change or m.keys <> its_keys);
	delete from member m where m.number <> all (alive);
	if it_leaves and not exists (select from owner_lock l where l.class = 7236523 and l.id = its_number) then
		perform pg_advisory_lock(7236523, its_number);
	end if;
	stay := cardinality(alive) - (select count(*) from owner_lock l where l.class = 7236523);
	share := ceil((select count(*) from unit) / greatest(stay, 1)::numeric);
	if held < share and not it_leaves then
		taken := acquire_units(me, share - held);
	end if;
	return jsonb_build_object('share', share, 'taken', taken,
		'change', coalesce((select max(h.change) from resource_history h), 0),
		'keys', (select n from key_change),
		'members', (select jsonb_agg(jsonb_build_object('owner', m.owner, 'url', m.url, 'change', m.change,
			'keys', m.keys)) from member m where m.number = any (alive)),
		'units', (select jsonb_agg(u.owner order by u.id) from unit u where cardinality(alive) > 1));
end
$$;

-- Gives units back; what is to be known of them has been saved.
create function owner_release(units smallint[]) returns void language sql as $$
	select pg_advisory_unlock(7236521, u) from unnest(units) u;
$$;

-- This process takes part no more.
create function owner_leave(me uuid) returns void language sql as $$
	delete from member m where m.owner = me;
	select pg_advisory_unlock_all();
$$;

-- Saves where streams of these units have come to; the entries of streams that are gone are dropped. paid:
-- what of their "owed" is settled, {stream: {"rewound","paid"}} or null. One that comes late, when what it
-- says has been saved again by a later one, changes nothing. Gives the streams that were rewound since their
-- owner has read them, or are no more: what is saved of those does not count.
create function save_checkpoint(me uuid, nth bigint, units smallint[], epochs bigint[], entries jsonb, paid jsonb,
	gone text[])
returns setof text language plpgsql as $$
begin
	perform fence(me, units, epochs);
	insert into checkpoint as c (owner, state, n) values (me, entries - gone, nth)
	on conflict (owner) do update set state = (c.state || excluded.state) - gone, n = nth,
		at = clock_timestamp()
	where c.n < nth;
	if found and paid is not null then
		update stream_state s set owed = s.owed - (p.value->>'paid')::int8multirange
		from jsonb_each(paid) p
		where s.stream_id = p.key and s.rewound = (p.value->>'rewound')::bigint;
	end if;
	return query select e.key from jsonb_each(entries) e
		left join stream_state s on s.stream_id = e.key
		where s.rewound is distinct from (e.value->>'rewound')::bigint;
end
$$;

-- Where a stream stands becomes where it begins: as its owner says ("position", an entry of a checkpoint with
-- "paid"), or else as it was saved.
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

-- As before, of where the stream stands, by its owner.
drop function rewind_stream(text, bigint, bigint, jsonb);
create function rewind_stream(me uuid, epoch bigint, wanted text, to_seq bigint, to_ms bigint, "position" jsonb)
returns table (outcome text, first bigint, oldest bigint) language plpgsql as $$
declare
	newest bigint := coalesce((select e.seq from event e order by e.seq desc limit 1),
		(select q.last_value from event_seq q));
	to_time timestamptz := to_timestamp(to_ms / 1000.0);
	oldest_at timestamptz;
	again int8multirange;
begin
	perform fence(me, array[shard_of(wanted)], array[epoch]);
	select e.seq, e.appended_at into oldest, oldest_at from event e order by e.seq limit 1;
	perform from stream_state s where s.stream_id = wanted for update;
	outcome := case
		when not found then 'no_stream'
		when (select r.spec->>'status' from resource r where r.kind = 'stream' and r.id = wanted) = 'disabled'
			then 'disabled'
		when to_seq > newest or to_time > clock_timestamp() then 'future'
		when oldest is null or to_seq < oldest or oldest > 1 and to_time < oldest_at then 'gone'
		else 'done' end;
	if outcome = 'done' then
		perform fold_position(wanted, "position");
		first := coalesce(to_seq, seq_at(to_time));
		again := int8multirange(int8range(first, null));
		update stream_state s
		set cursor = least(s.cursor, first - 1), acked = s.acked - again, owed = s.owed - again,
			rewound = nextval('stream_rewound'), again_at = clock_timestamp(), backlog = 0
		where s.stream_id = wanted;
		delete from dead_letter d where d.stream_id = wanted and d.seq >= first;
	end if;
	return next;
end
$$;

-- As without, by the stream's owner.
create function redrive_dead_letters(me uuid, epoch bigint, wanted text, one bigint, most bigint)
returns table (outcome text, redriven bigint, gone bigint, remaining bigint) language plpgsql as $$
begin
	perform fence(me, array[shard_of(wanted)], array[epoch]);
	return query select * from redrive_dead_letters(wanted, one, most);
end
$$;

create function bury_event(me uuid, epoch bigint, wanted text, known_rewound bigint, wanted_seq bigint,
	its_jti text, why text)
returns table (current boolean, added boolean) language plpgsql as $$
begin
	perform fence(me, array[shard_of(wanted)], array[epoch]);
	return query select * from bury_event(wanted, known_rewound, wanted_seq, its_jti, why);
end
$$;

-- As before, by where streams stand.
create or replace function event_drop_tell(k bigint, first_seq bigint, last_seq bigint) returns bigint
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

-- As without, when this process owns the unit. The lock of appending first: it may take a while.
create function rules_commit(me uuid, epoch bigint, expected bigint, new_cursor bigint, events jsonb,
	hits jsonb, revocations jsonb)
returns void language plpgsql as $$
begin
	perform append_lock();
	perform fence(me, '{64}', array[epoch]);
	perform rules_commit(expected, new_cursor, events, hits, revocations);
end
$$;

create function attribution_commit(me uuid, epoch bigint, asked bigint, events jsonb)
returns void language plpgsql as $$
begin
	perform append_lock();
	perform fence(me, '{65}', array[epoch]);
	perform attribution_commit(asked, events);
end
$$;

-- A subject of a stream, by the stream's owner. Only what differs from the stream's default makes a
-- row; others are changed if they exist.
create function put_subject(me uuid, epoch bigint, stream text, its_key bytea, its_subject jsonb,
	is_wanted boolean, its_until timestamptz, by_default boolean)
returns void language plpgsql as $$
begin
	perform fence(me, array[shard_of(stream)], array[epoch]);
	insert into stream_subject as x (stream_id, key, subject, wanted, until)
	select s.stream_id, its_key, its_subject, is_wanted, its_until
	from stream_state s where s.stream_id = stream and (is_wanted <> by_default or exists
		(select from stream_subject y where y.stream_id = s.stream_id and y.key = its_key))
	for key share of s
	on conflict (stream_id, key) do update set wanted = excluded.wanted,
		until = case when x.wanted or excluded.wanted then excluded.until else x.until end;
end
$$;

-- Changes of resources have one order for all processes: that of their commits, without gaps. Called
-- under put_resources()'s lock.
create function next_change() returns bigint language plpgsql as $$
begin
	return coalesce((select max(h.change) from resource_history h), 0) + 1;
end
$$;
alter table resource_history add column change bigint;
update resource_history h set change = n.n from (select kind, id, version,
	row_number() over (order by changed_at, kind, id, version) as n from resource_history) n
where h.kind = n.kind and h.id = n.id and h.version = n.version;
alter table resource_history alter column change set not null, alter column change set default next_change();
create unique index resource_history_change on resource_history (change);

-- put_resources() with the number of each change, and whether others take part, who have to learn of it.
create function change_resources(batch jsonb, me uuid)
returns table (kind text, id text, version bigint, change bigint, others boolean) language plpgsql as $$
begin
	for kind, id, version in select p.kind, p.id, p.version from put_resources(batch) p loop
		select h.change into strict change from resource_history h
		where h.kind = change_resources.kind and h.id = change_resources.id
			and h.version = change_resources.version;
		others := exists (select from member m where m.owner <> me);
		return next;
	end loop;
end
$$;

-- Changes of signing keys are counted, for others to see that there was one.
create table key_change (n bigint not null);
insert into key_change values (1);
create function count_key_change() returns trigger language plpgsql as $$
begin
	update key_change set n = n + 1;
	return null;
end
$$;
create trigger signing_key_change after insert or update or delete on signing_key
	for each statement execute function count_key_change();
create or replace view signing_key_ring as
	select kid, alg, encode(sealed, 'hex') as sealed,
		(extract(epoch from created_at) * 1000)::bigint as created_ms,
		(extract(epoch from signs_from) * 1000)::bigint as signs_from_ms,
		(extract(epoch from published_until) * 1000)::bigint as published_until_ms,
		(extract(epoch from clock_timestamp()) * 1000)::bigint as now_ms,
		(select k.n from key_change k) as change
	from signing_key
	where revoked_at is null and (published_until is null or published_until > clock_timestamp())
	order by alg, signs_from, created_at, kid;

-- As before, with where streams stand now.
create or replace function explain_txn(wanted text) returns jsonb language sql stable as $$
	with ev as (
		select * from event e where e.txn = wanted order by e.seq
	), wanted_by as materialized (
		select ev.seq, ev.type, s.id from ev
		join resource s on s.kind = 'stream' and ev.sub_id is not null
			and (s.spec->'events' is null or s.spec->'events' ? ev.type)
	)
	select case when exists (select from ev) then jsonb_build_object(
		'txn', wanted,
		'events', (select jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
			'seq', seq, 'at', appended_at, 'origin', origin, 'origin_id', origin_id, 'type', type,
			'cause', cause, 'agent', agent_id, 'sub_id', sub_id, 'body', body,
			'trace', trace, 'evidence_sha256', encode(evidence, 'hex'))) order by seq) from ev),
		'rules', coalesce((select jsonb_agg(jsonb_build_object(
			'seq', h.seq, 'rule', h.rule_id, 'file', h.file_id, 'digest', h.digest, 'mode', h.mode,
			'severity', h.severity, 'why', h.trace, 'actions', h.actions, 'at', h.at) order by h.seq, h.rule_id)
			from rule_hit h join ev on ev.seq = h.seq), '[]'),
		'revocations', coalesce((select jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
			'effect', r.effect, 'kind', r.target_kind, 'target', r.target, 'not_before', r.not_before,
			'until', r.until, 'reason', r.reason, 'rule', r.rule_id)) order by r.effect, r.target_kind, r.target)
			from revocation r where r.txn = wanted), '[]'),
		'pending_attribution', coalesce((select jsonb_agg(a.seq order by a.seq)
			from attribution a join ev on ev.seq = a.seq), '[]'),
		'deliveries', coalesce((select jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
			'stream', w.id, 'seq', w.seq, 'type', w.type,
			'state', case
				when d.seq is not null then 'dead-lettered'
				when st.owed @> w.seq then 'pending'
				when w.seq <= st.cursor or st.acked @> w.seq then 'acknowledged'
				else 'pending' end,
			'reason', d.reason)) order by w.seq, w.id)
			from wanted_by w
			join stream_positions(array(select distinct x.id from wanted_by x)) st on st.stream_id = w.id
			left join dead_letter d on d.stream_id = w.id and d.seq = w.seq), '[]')
	) end
$$;
