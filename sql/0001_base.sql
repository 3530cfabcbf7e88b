-- The base schema. What each table is for stands in docs/architecture.md.

-- Everything that an operator sets up, one JSON form per kind. Secrets inside spec are sealed.
create table resource (
	kind       text        not null,
	id         text        not null,
	version    bigint      not null,
	spec       jsonb       not null,
	updated_at timestamptz not null default clock_timestamp(),
	primary key (kind, id)
);

-- Every version that a resource ever had; spec null: deleted.
create table resource_history (
	kind       text        not null,
	id         text        not null,
	version    bigint      not null,
	spec       jsonb,
	actor      text        not null,
	changed_at timestamptz not null default clock_timestamp(),
	primary key (kind, id, version)
);

-- The event log. Append-only; rows come through append_events() alone, under one lock, so that
-- commit order equals seq order and a reader that has seen N has seen everything below N.
create sequence event_seq;
create table event (
	seq         bigint      primary key,
	appended_at timestamptz not null default clock_timestamp(),
	origin      text        not null, -- who said it: source:ID, issuer:URL, attribution, rules
	origin_id   text        not null, -- its id there: delivery id, jti, action id
	type        text        not null,
	txn         text        not null, -- shared by everything that one cause led to
	cause       bigint,               -- seq of the event that led to this one
	agent_id    text,
	sub_id      jsonb,
	body        jsonb       not null,
	evidence    bytea,                -- SHA-256 of the request or SET it came in
	constraint event_origin_key unique (origin, origin_id)
);
create index event_txn on event (txn);
create index event_unattributed on event (seq) where type = 'secret.leaked' and agent_id is null;

-- Signals whose credential has still to be asked for. A row goes when the answer is in the log.
create table attribution (
	seq      bigint      primary key,
	attempts integer     not null default 0,
	next_at  timestamptz not null default clock_timestamp()
);

-- How far each consumer of the log has come.
create table consumer (
	name   text   primary key,
	cursor bigint not null
);
insert into consumer values ('rules', 0);

-- One row a stream: all matching events at or below cursor are settled, and those in acked.
create table stream_state (
	stream_id       text          primary key,
	cursor          bigint        not null,
	acked           int8multirange not null default '{}',
	delivered       bigint        not null default 0,
	last_success_at timestamptz,
	last_error_at   timestamptz,
	last_error      text
);

-- Subjects that were added to a stream, or removed from it, against its default.
create table stream_subject (
	stream_id text        not null,
	key       bytea       not null, -- SHA-256 of the canonical subject
	subject   jsonb       not null,
	wanted    boolean     not null,
	until     timestamptz,          -- a removed subject keeps flowing until then
	primary key (stream_id, key)
);

-- What a stream has given up on, with the reason.
create table dead_letter (
	stream_id text        not null,
	seq       bigint      not null,
	jti       text        not null,
	reason    text        not null,
	at        timestamptz not null default clock_timestamp(),
	primary key (stream_id, seq)
);

-- Which rule matched which event, why, and what it did (or, in dry-run, would have done).
create table rule_hit (
	seq     bigint      not null,
	rule_id text        not null,
	file_id text        not null,
	digest  text        not null, -- SHA-256 of the rule file's text
	mode    text        not null,
	severity text       not null,
	trace   jsonb       not null,
	actions jsonb       not null,
	at      timestamptz not null default clock_timestamp(),
	primary key (seq, file_id, rule_id)
);

-- The state that revocations leave behind: what was issued before not_before is void.
create table revocation (
	effect      text        not null check (effect in ('revoke', 'suspend')),
	target_kind text        not null,
	target      text        not null,
	not_before  timestamptz not null,
	until       timestamptz,
	reason      text        not null,
	rule_id     text        not null,
	seq         bigint      not null,
	txn         text        not null,
	primary key (effect, target_kind, target)
);
create index revocation_txn on revocation (txn);

create table signing_key (
	kid        text        primary key,
	alg        text        not null,
	public     jsonb       not null,
	sealed     bytea       not null, -- PKCS#8, encrypted under the master key
	created_at timestamptz not null default clock_timestamp()
);

-- Taken by every transaction that appends; released after its commit is visible.
create function append_lock() returns void language sql as $$
	select pg_advisory_xact_lock(7236520, 1);
$$;

-- Appends a batch, in order. An element is an object with the columns of event (evidence in hex),
-- and "lookup": true when its credential has still to be asked for. Gives one row an element: what
-- is stored now under its (origin, origin_id), and whether this call stored it.
create function append_events(batch jsonb)
returns table (ord bigint, seq bigint, txn text, appended boolean)
language plpgsql as $$
begin
	perform append_lock();
	return query
	with item as (
		select e.ordinality as ord, e.value as j
		from jsonb_array_elements(batch) with ordinality as e
	), added as (
		insert into event (seq, origin, origin_id, type, txn, cause, agent_id, sub_id, body, evidence)
		select nextval('event_seq'), i.j->>'origin', i.j->>'origin_id', i.j->>'type', i.j->>'txn',
			(i.j->>'cause')::bigint, i.j->>'agent_id', nullif(i.j->'sub_id', 'null'), i.j->'body',
			decode(i.j->>'evidence', 'hex')
		from (select * from item order by item.ord) i
		on conflict on constraint event_origin_key do nothing
		returning event.seq, event.origin, event.origin_id, event.txn
	), queued as (
		insert into attribution (seq)
		select distinct a.seq from added a join item i
			on a.origin = i.j->>'origin' and a.origin_id = i.j->>'origin_id'
		where (i.j->>'lookup')::boolean
	)
	select i.ord, coalesce(a.seq, e.seq), coalesce(a.txn, e.txn), a.seq is not null
	from item i
	left join added a on a.origin = i.j->>'origin' and a.origin_id = i.j->>'origin_id'
	left join event e on a.seq is null
		and e.origin = i.j->>'origin' and e.origin_id = i.j->>'origin_id'
	order by i.ord;
end
$$;

-- One step of the rules consumer: what rules made of the events up to "cursor", all or nothing.
-- Fails if somebody else has moved the cursor since it was read.
create function rules_commit(expected bigint, new_cursor bigint, events jsonb, hits jsonb,
	revocations jsonb)
returns void language plpgsql as $$
declare
	at_now bigint;
begin
	perform append_lock();
	select c.cursor into strict at_now from consumer c where c.name = 'rules' for update;
	if at_now <> expected then
		raise exception 'rules cursor is %, not %', at_now, expected using errcode = '40001';
	end if;
	perform append_events(events);
	insert into rule_hit (seq, rule_id, file_id, digest, mode, severity, trace, actions)
	select h.seq, h.rule_id, h.file_id, h.digest, h.mode, h.severity, h.trace, h.actions
	from jsonb_to_recordset(hits) as h(seq bigint, rule_id text, file_id text, digest text,
		mode text, severity text, trace jsonb, actions jsonb)
	on conflict do nothing;
	-- The same target twice in one batch: the later watermark wins, as it would across batches.
	insert into revocation as r (effect, target_kind, target, not_before, until, reason, rule_id, seq, txn)
	select distinct on (v.effect, v.target_kind, v.target)
		v.effect, v.target_kind, v.target, v.not_before, v.until, v.reason, v.rule_id, v.seq, v.txn
	from jsonb_to_recordset(revocations) as v(effect text, target_kind text, target text,
		not_before timestamptz, until timestamptz, reason text, rule_id text, seq bigint, txn text)
	order by v.effect, v.target_kind, v.target, v.not_before desc, v.seq desc
	on conflict (effect, target_kind, target) do update
	set not_before = greatest(r.not_before, excluded.not_before),
		until = case when r.until is null or excluded.until is null then null
			else greatest(r.until, excluded.until) end,
		reason = excluded.reason, rule_id = excluded.rule_id, seq = excluded.seq, txn = excluded.txn;
	update consumer set cursor = new_cursor where name = 'rules';
end
$$;

-- An operator takes a revocation or suspension back; that is an event of the same txn. Gives
-- whether there was one.
create function lift_revocation(wanted_effect text, wanted_kind text, wanted_target text, id text)
returns boolean language plpgsql as $$
declare
	was revocation;
begin
	perform append_lock();
	delete from revocation r
	where r.effect = wanted_effect and r.target_kind = wanted_kind and r.target = wanted_target
	returning r.* into was;
	if not found then
		return false;
	end if;
	perform append_events(jsonb_build_array(jsonb_build_object(
		'origin', 'operator', 'origin_id', id, 'type', 'revocation.lifted', 'txn', was.txn,
		'cause', was.seq, 'agent_id', case when wanted_kind = 'agent' then wanted_target end,
		'body', jsonb_build_object('effect', wanted_effect, 'kind', wanted_kind,
			'target', wanted_target, 'rule', was.rule_id))));
	return true;
end
$$;

-- The answer to "which credential": appends what was found and forgets the question, in one step.
create function attribution_commit(asked bigint, events jsonb) returns void language plpgsql as $$
begin
	perform append_lock();
	delete from attribution a where a.seq = asked;
	if found then
		perform append_events(events);
	end if;
end
$$;

-- Puts or deletes (spec null) resources, all or nothing. Each element: kind, id, spec, actor, and what
-- must hold (40001 otherwise): "expected" is the version that is there now, "most" how many of the
-- kind a client may have; a stream's client must exist. A stream that is new starts at the end of
-- the log. A change of a stream's status that its own client did not make is told by a
-- stream-updated event in the same transaction (SSF 1.0 section 8.1.5).
create function put_resources(batch jsonb)
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

-- Saves where streams have come to. Each element: id, cursor, acked, delivered, and success_at,
-- error_at (seconds), error. A cursor never goes back, whoever writes last.
create function checkpoint_streams(batch jsonb) returns void language sql as $$
	update stream_state s
	set cursor = greatest(s.cursor, b.cursor),
		acked = case when b.cursor >= s.cursor then b.acked::int8multirange else s.acked end,
		delivered = s.delivered + b.delivered,
		last_success_at = coalesce(to_timestamp(b.success_at), s.last_success_at),
		last_error_at = coalesce(to_timestamp(b.error_at), s.last_error_at),
		last_error = coalesce(b.error, s.last_error)
	from jsonb_to_recordset(batch) as b(id text, cursor bigint, acked text, delivered bigint,
		success_at double precision, error_at double precision, error text)
	where s.stream_id = b.id;
$$;

-- Everything about one cause: what came in, which rules matched and why, what followed, and how
-- far each stream has come with it. Null when there is no such txn.
create function explain_txn(wanted text) returns jsonb language sql stable as $$
	with ev as (
		select * from event e where e.txn = wanted order by e.seq
	)
	select case when exists (select from ev) then jsonb_build_object(
		'txn', wanted,
		'events', (select jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
			'seq', seq, 'at', appended_at, 'origin', origin, 'origin_id', origin_id, 'type', type,
			'cause', cause, 'agent', agent_id, 'sub_id', sub_id, 'body', body,
			'evidence_sha256', encode(evidence, 'hex'))) order by seq) from ev),
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
