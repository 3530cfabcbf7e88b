-- The event log in partitions (docs/adr/0009-partitions-by-seq.md). A partition has a range of seq that is
-- wider than what it will ever hold: event_pK the numbers from K * event_width() on. So the next one is there
-- before it is needed, and none is ever moved; one begins when event_seq jumps to it.
create function event_width() returns bigint language sql immutable as $$
	select 1000000000::bigint; -- EVENT_PARTITION_SEQS in hub/eventlog/event.h
$$;

-- What there is becomes the first partition. Ids are compared by their bytes: nobody needs more of them.
alter table event rename to event_p0;
alter table event_p0 rename constraint event_pkey to event_p0_pkey;
alter table event_p0 drop constraint event_origin_key;
drop index event_txn, event_unattributed;
alter table event_p0
	alter column origin type text collate "C",
	alter column origin_id type text collate "C",
	alter column txn type text collate "C",
	add column trace text,
	add constraint event_p0_origin_key unique (origin_id, origin);

create table event (
	seq         bigint      primary key,
	appended_at timestamptz not null default clock_timestamp(),
	origin      text collate "C" not null, -- who said it: source:ID, issuer:URL, attribution, rules
	origin_id   text collate "C" not null, -- its id there: delivery id, jti, action id
	type        text        not null,
	txn         text collate "C" not null, -- shared by everything that one cause led to
	cause       bigint,               -- seq of the event that led to this one
	agent_id    text,
	sub_id      jsonb,
	body        jsonb       not null,
	evidence    bytea,                -- SHA-256 of the request or SET it came in
	trace       text                  -- traceparent (W3C Trace Context) of the request that led to it
) partition by range (seq);
create index event_txn on event (txn);
create index event_unattributed on event (seq) where type = 'secret.leaked' and agent_id is null;

-- What rules made of an event goes with it.
alter table rule_hit rename to rule_hit_p0;
alter table rule_hit_p0 rename constraint rule_hit_pkey to rule_hit_p0_pkey;
create table rule_hit (
	seq      bigint      not null,
	rule_id  text        not null,
	file_id  text        not null,
	digest   text        not null, -- SHA-256 of the rule file's text
	mode     text        not null,
	severity text        not null,
	trace    jsonb       not null,
	actions  jsonb       not null,
	at       timestamptz not null default clock_timestamp(),
	primary key (seq, file_id, rule_id)
) partition by range (seq);

do $$
declare
	up_to bigint := ((select s.last_value from event_seq s) / event_width() + 1) * event_width();
begin
	execute format('alter table event attach partition event_p0 for values from (0) to (%s)', up_to);
	execute format('alter table rule_hit attach partition rule_hit_p0 for values from (0) to (%s)', up_to);
end
$$;

-- Appends a batch, in order: an array for each column of event (a null or missing trace is that of the
-- cause), and whether the credential has still to be asked for. Gives one row an element: what is stored
-- now under its (origin, origin_id), whether this element is it, and when this batch was stored.
-- Who holds the lock is alone: no constraint spans partitions, each is asked by its index.
drop function append_events(jsonb);
create function append_events(origins text[], origin_ids text[], types text[], txns text[],
	causes bigint[], agent_ids text[], sub_ids jsonb[], bodies jsonb[], evidences bytea[], traces text[],
	lookups boolean[])
returns table (ord bigint, seq bigint, txn text, appended boolean, at_ms bigint) language plpgsql as $$
declare
	n bigint := cardinality(origins);
	at timestamptz;
	first_new bigint;
	stored bigint;
	repeats boolean;
begin
	perform append_lock();
	at := clock_timestamp();
	at_ms := (extract(epoch from at) * 1000)::bigint;
	select s.last_value + s.is_called::int into first_new from event_seq s;
	if first_new / event_width() <> (first_new + n) / event_width() then -- a batch is in one partition
		first_new := (first_new / event_width() + 1) * event_width();
		perform setval('event_seq', first_new, false);
	end if;
	repeats := n > (select count(*) from (select from unnest(origin_ids, origins) as i (a, b) group by i.a, i.b) d);
	insert into event (seq, appended_at, origin, origin_id, type, txn, cause, agent_id, sub_id, body, evidence, trace)
	select nextval('event_seq'), at, i.origin, i.origin_id, i.type, i.txn, i.cause, i.agent_id, i.sub_id, i.body,
		i.evidence, case when i.trace is null and i.cause is not null
			then (select c.trace from event c where c.seq = i.cause) else i.trace end
	from unnest(origins, origin_ids, types, txns, causes, agent_ids, sub_ids, bodies, evidences, traces)
		with ordinality as i (origin, origin_id, type, txn, cause, agent_id, sub_id, body, evidence, trace, ord)
	where (select e.seq from event e where e.origin_id = i.origin_id and e.origin = i.origin limit 1) is null
		and (not repeats or i.ord = (select min(j.ord) from unnest(origins, origin_ids) with ordinality
			as j (origin, origin_id, ord) where j.origin_id = i.origin_id and j.origin = i.origin));
	get diagnostics stored = row_count;
	if stored = n then -- nobody else takes numbers from event_seq under the lock
		return query select o, first_new + o - 1, txns[o], true, at_ms from generate_series(1, n) o;
	else
		return query select i.ord, e.seq, e.txn,
			e.seq >= first_new and i.ord = min(i.ord) over (partition by e.seq), at_ms
		from unnest(origins, origin_ids) with ordinality as i (origin, origin_id, ord)
		cross join lateral (
			select h.seq, h.txn from event h where h.origin_id = i.origin_id and h.origin = i.origin limit 1) e
		order by i.ord;
	end if;
	if true = any (lookups) then
		insert into attribution (seq)
		select distinct e.seq
		from unnest(origins, origin_ids, lookups) as i (origin, origin_id, lookup)
		cross join lateral (
			select h.seq from event h where h.origin_id = i.origin_id and h.origin = i.origin limit 1) e
		where i.lookup and e.seq >= first_new;
	end if;
end
$$;

-- The same of an array of objects, for what is not in a hurry; evidence is in hex.
create function append_events(batch jsonb)
returns table (ord bigint, seq bigint, txn text, appended boolean, at_ms bigint) language sql as $$
	select a.* from (
		select array_agg(i.origin) as origins, array_agg(i.origin_id) as origin_ids, array_agg(i.type) as types,
			array_agg(i.txn) as txns, array_agg(i.cause) as causes, array_agg(i.agent_id) as agent_ids,
			array_agg(nullif(i.sub_id, 'null')) as sub_ids, array_agg(i.body) as bodies,
			array_agg(decode(i.evidence, 'hex')) as evidences, array_agg(i.trace) as traces,
			array_agg(i.lookup) as lookups
		from jsonb_to_recordset(batch) as i (origin text, origin_id text, type text, txn text, cause bigint,
			agent_id text, sub_id jsonb, body jsonb, evidence text, trace text, lookup boolean)
	) c
	cross join lateral append_events(c.origins, c.origin_ids, c.types, c.txns, c.causes, c.agent_ids,
		c.sub_ids, c.bodies, c.evidences, c.traces, c.lookups) a
	where c.origins is not null;
$$;

-- The partitions in order, and what they hold: nulls if that is nothing, or one goes just now.
create function event_partitions() returns table (k bigint, first_seq bigint, last_seq bigint)
language plpgsql stable as $$
begin
	for k in
		select substr(c.relname, 8)::bigint from pg_inherits i join pg_class c on c.oid = i.inhrelid
		where i.inhparent = 'event'::regclass order by 1
	loop
		select min(e.seq), max(e.seq) into first_seq, last_seq from event e
			where e.seq >= k * event_width() and e.seq < (k + 1) * event_width();
		return next;
	end loop;
end
$$;

-- Makes a partition beside the log, and then a part of it, which takes no lock that readers or writers of
-- the log would wait for.
create function event_partition_add(k bigint) returns void language plpgsql as $$
declare
	bounds text := format('for values from (%s) to (%s)', k * event_width(), (k + 1) * event_width());
begin
	execute format('create table event_p%s (like event including all)', k);
	execute format('alter table event_p%s add constraint event_p%1$s_origin_key unique (origin_id, origin)', k);
	execute format('alter table event attach partition event_p%s %s', k, bounds);
	execute format('create table rule_hit_p%s (like rule_hit including all)', k);
	execute format('alter table rule_hit attach partition rule_hit_p%s %s', k, bounds);
end
$$;
select event_partition_add(((select s.last_value from event_seq s) / event_width()) + 1);

-- What was dropped of the log before a stream had it, for as long as the retention.
create table stream_dropped (
	stream_id text        not null references stream_state on delete cascade,
	from_seq  bigint      not null,
	to_seq    bigint      not null,
	at        timestamptz not null default clock_timestamp(),
	reason    text        not null,
	primary key (stream_id, to_seq)
);
create index dead_letter_seq on dead_letter (seq); -- they go after their events
create index attribution_next on attribution (next_at);

-- Tells the streams that have not come past the last event of a partition, and should have had some of it,
-- that it is dropped. Gives how many there are.
create function event_drop_tell(k bigint, first_seq bigint, last_seq bigint) returns bigint
language plpgsql as $$
declare
	behind jsonb;
begin
	execute format($q$
		select jsonb_agg(jsonb_build_object('id', s.id, 'from', greatest(t.cursor + 1, $1),
			'status', coalesce(s.spec->>'status', 'enabled')))
		from stream_state t
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

-- One step of what keeps the log in order, by whichever hub is first; to be called again as long as it gives
-- a row: "added" (the partition after the one in use), "begun" (that one, as the one in use is old enough),
-- "dropped" (the oldest, all of which is older than the retention; streams: how many were told), or "held" (it
-- should go, but rules or attributions are not through with it). What takes a lock that readers and writers
-- wait for does so last, and gives up soon: 55P03 when somebody reads for longer.
create function event_upkeep(retention_ms bigint, period_ms bigint)
returns table (did text, k bigint, from_seq bigint, to_seq bigint, streams bigint)
language plpgsql set lock_timeout = '100ms' as $$
declare
	retention interval := retention_ms * interval '1 millisecond';
	period interval := period_ms * interval '1 millisecond';
	in_use bigint;
	at timestamptz;
begin
	if not pg_try_advisory_xact_lock(7236520, 3) then
		return;
	end if;
	select s.last_value / event_width() into in_use from event_seq s;
	for k in select in_use union all select in_use + 1 loop
		if to_regclass('event_p' || k) is null then
			perform event_partition_add(k);
			did := 'added';
			return next;
			return;
		end if;
	end loop;
	execute format('select appended_at from event_p%s order by seq limit 1', in_use) into at;
	if at < clock_timestamp() - period then
		perform append_lock();
		k := in_use + 1;
		perform setval('event_seq', k * event_width(), false) from event_seq s where s.last_value < k * event_width();
		did := 'begun';
		return next;
		return;
	end if;
	select p.k, p.first_seq, p.last_seq into k, from_seq, to_seq from event_partitions() p limit 1;
	execute format('select appended_at from event_p%s order by seq desc limit 1', k) into at;
	if k >= in_use or at >= clock_timestamp() - retention then
		return;
	end if;
	did := 'held';
	if not exists (select from consumer c where c.cursor < to_seq)
		and not exists (select from attribution a where a.seq <= to_seq)
	then
		streams := event_drop_tell(k, from_seq, to_seq);
		delete from stream_dropped d where d.at < clock_timestamp() - retention;
		delete from dead_letter d where d.seq <= to_seq and d.at < clock_timestamp() - retention;
		execute format('drop table event_p%s, rule_hit_p%1$s', k);
		did := 'dropped';
	end if;
	return next;
end
$$;

-- As before, with "trace" of the events.
create or replace function explain_txn(wanted text) returns jsonb language sql stable as $$
	with ev as (
		select * from event e where e.txn = wanted order by e.seq
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
			'stream', s.id, 'seq', ev.seq, 'type', ev.type,
			'state', case
				when d.seq is not null then 'dead-lettered'
				when ev.seq <= st.cursor or st.acked @> ev.seq then 'acknowledged'
				else 'pending' end,
			'reason', d.reason)) order by ev.seq, s.id)
			from ev
			join resource s on s.kind = 'stream' and ev.sub_id is not null
				and (s.spec->'events' is null or s.spec->'events' ? ev.type)
			join stream_state st on st.stream_id = s.id
			left join dead_letter d on d.stream_id = s.id and d.seq = ev.seq), '[]')
	) end
$$;
