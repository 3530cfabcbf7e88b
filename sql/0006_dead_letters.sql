-- Receivers that fail: dead letters that are sent again, streams that are read again from an earlier
-- event, and how large a backlog is. Where a stream is is touched by these functions alone:
-- checkpoint_streams, bury_event, redrive_dead_letters, rewind_stream.

-- What it was, also when the event is gone from the log.
alter table dead_letter add column txn text, add column type text;
update dead_letter d set txn = e.txn, type = e.type from event e where e.seq = d.seq;

-- rewound is another number for each stream that is made, and each time that one is rewound: what somebody
-- has come to with it under another one counts no more.
create sequence stream_rewound;
alter table stream_state
	add column rewound bigint not null default nextval('stream_rewound'),
	add column again_at timestamptz, -- last redrive or rewind: old events are not given up for their age before
	add column owed int8multirange not null default '{}', -- to be sent though settled before: redriven
	add column failing boolean not null default false, -- the last push failed
	add column backlog bigint not null default 0,      -- events that wait, as far as they were counted
	add column backlog_base bigint not null default 0; -- how many did when it was last enabled, if above its limit

create function multirange_count(m int8multirange) returns bigint language sql immutable as $$
	select coalesce(sum(upper(r) - lower(r)), 0)::bigint from unnest(m) r;
$$;

-- The first event that was appended at that time or later; behind the last when there is none. Times
-- in the log never go down but for a clock that was set back: then it is about right.
create function seq_at(wanted timestamptz) returns bigint language plpgsql stable as $$
declare
	low bigint := coalesce((select e.seq from event e order by e.seq limit 1), 1);
	high bigint := coalesce((select e.seq from event e order by e.seq desc limit 1), 0) + 1;
	middle bigint;
	found_seq bigint;
	found_at timestamptz;
begin
	while low < high loop
		middle := (low + high) / 2;
		select e.seq, e.appended_at into found_seq, found_at from event e
			where e.seq >= middle order by e.seq limit 1;
		if found_at >= wanted then
			high := middle;
		else
			low := found_seq + 1;
		end if;
	end loop;
	return low;
end
$$;

-- As before, with "paid" (what of owed is settled now), failing, backlog, backlog_base, and
-- "rewound": what a stream has come to since before it was rewound is not saved. Gives the streams of
-- which nothing was saved for that, or that are no more: they have to be read again.
drop function checkpoint_streams(jsonb);
create function checkpoint_streams(batch jsonb) returns setof text language sql as $$
	with b as (
		select * from jsonb_to_recordset(batch) as b(id text, rewound bigint, cursor bigint, acked text,
			paid text, delivered bigint, success_at double precision, error_at double precision,
			error text, failing boolean, active_at double precision, heartbeat_at double precision,
			heartbeat_seq bigint, backlog bigint, backlog_base bigint)
	), saved as (
		update stream_state s
		set cursor = greatest(s.cursor, b.cursor),
			acked = case when b.cursor >= s.cursor then b.acked::int8multirange else s.acked end,
			owed = s.owed - coalesce(b.paid, '{}')::int8multirange,
			delivered = s.delivered + b.delivered,
			last_success_at = coalesce(to_timestamp(b.success_at), s.last_success_at),
			last_error_at = coalesce(to_timestamp(b.error_at), s.last_error_at),
			last_error = coalesce(b.error, s.last_error),
			failing = coalesce(b.failing, s.failing),
			active_at = greatest(s.active_at, to_timestamp(b.active_at)),
			heartbeat_at = greatest(s.heartbeat_at, to_timestamp(b.heartbeat_at)),
			heartbeat_seq = greatest(s.heartbeat_seq, b.heartbeat_seq),
			backlog = coalesce(b.backlog, s.backlog),
			backlog_base = coalesce(b.backlog_base, s.backlog_base)
		from b
		where s.stream_id = b.id and s.rewound = b.rewound
		returning s.stream_id
	)
	select b.id from b where b.id not in (select saved.stream_id from saved);
$$;

-- Gives an event up: it is a dead letter, and owed no more. "current" is false, and nothing is done,
-- when the stream was rewound since or is gone; "added" when it was none yet.
create function bury_event(wanted text, known_rewound bigint, wanted_seq bigint, its_jti text, why text)
returns table (current boolean, added boolean) language plpgsql as $$
declare
	state stream_state;
begin
	current := false;
	added := false;
	select s.* into state from stream_state s where s.stream_id = wanted for share;
	if found and state.rewound = known_rewound then
		current := true;
		insert into dead_letter (stream_id, seq, jti, reason, txn, type)
		select wanted, wanted_seq, its_jti, why, e.txn, e.type
		from (select) one left join event e on e.seq = wanted_seq
		on conflict do nothing;
		added := found;
		update stream_state s set owed = s.owed - int8multirange(int8range(wanted_seq, wanted_seq, '[]'))
			where s.stream_id = wanted and s.owed @> wanted_seq;
	end if;
	return next;
end
$$;

-- Sends dead letters of a stream again: one, or (null) as many as there is room for, oldest first. At
-- most "most" are owed at once. What "outcome" is: done; no_stream, disabled, gone (the log has it no
-- more), no_letter, full. "gone" and "remaining" are how many stay dead letters.
create function redrive_dead_letters(wanted text, one bigint, most bigint)
returns table (outcome text, redriven bigint, gone bigint, remaining bigint) language plpgsql as $$
declare
	state stream_state;
	oldest bigint := (select e.seq from event e order by e.seq limit 1);
	room bigint;
	sent int8multirange;
begin
	redriven := 0;
	gone := 0;
	remaining := 0;
	outcome := 'no_stream';
	select s.* into state from stream_state s where s.stream_id = wanted for update;
	if not found then
		return next;
		return;
	end if;
	room := most - multirange_count(state.owed);
	outcome := case
		when (select r.spec->>'status' from resource r where r.kind = 'stream' and r.id = wanted) = 'disabled'
			then 'disabled'
		when one is null then 'done'
		when one < coalesce(oldest, one + 1) then 'gone'
		when not exists (select from dead_letter d where d.stream_id = wanted and d.seq = one) then 'no_letter'
		when room <= 0 then 'full'
		else 'done' end;
	if outcome <> 'done' then
		return next;
		return;
	end if;
	with taken as (
		delete from dead_letter d where d.stream_id = wanted and d.seq in (
			select c.seq from dead_letter c
			where c.stream_id = wanted and c.seq between coalesce(one, oldest) and coalesce(one, c.seq)
			order by c.seq limit greatest(room, 0))
		returning d.seq
	)
	select count(*), coalesce(range_agg(int8range(t.seq, t.seq, '[]')), '{}') into redriven, sent from taken t;
	update stream_state s set owed = s.owed + sent, again_at = clock_timestamp() where s.stream_id = wanted;
	if one is null then
		select count(*) filter (where d.seq >= oldest), count(*) filter (where d.seq >= oldest is not true)
		into remaining, gone from dead_letter d where d.stream_id = wanted;
	end if;
	return next;
end
$$;

-- Lets a stream be read again from an event, or (to_seq null) from the first one that was appended at a
-- time (ms since 1970). Nothing is skipped: to where it has not come yet it does not go. Dead letters
-- from there on are none any more, as their events are read again. What "outcome" is: done; no_stream,
-- disabled, future, gone (not all from there on is in the log); if not done, nothing has changed.
-- "first" is the first that is read again, "oldest" the oldest event that there is. "position" is where its
-- owner has come to, as in a checkpoint: what is settled before the first is not read again.
create function rewind_stream(wanted text, to_seq bigint, to_ms bigint, "position" jsonb)
returns table (outcome text, first bigint, oldest bigint) language plpgsql as $$
declare
	state stream_state;
	newest bigint := coalesce((select e.seq from event e order by e.seq desc limit 1),
		(select q.last_value from event_seq q));
	to_time timestamptz := to_timestamp(to_ms / 1000.0);
	oldest_at timestamptz;
	again int8multirange;
begin
	select e.seq, e.appended_at into oldest, oldest_at from event e order by e.seq limit 1;
	select s.* into state from stream_state s where s.stream_id = wanted for update;
	if not found then
		outcome := 'no_stream';
		return next;
		return;
	end if;
	outcome := case
		when (select r.spec->>'status' from resource r where r.kind = 'stream' and r.id = wanted) = 'disabled'
			then 'disabled'
		when to_seq > newest or to_time > clock_timestamp() then 'future'
		when oldest is null or to_seq < oldest or oldest > 1 and to_time < oldest_at then 'gone'
		else 'done' end;
	if outcome = 'done' then
		perform checkpoint_streams("position");
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

-- As before; what a stream is to get again is pending.
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
				when st.owed @> ev.seq then 'pending'
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
