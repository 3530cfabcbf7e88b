alter table event add column trace text; -- traceparent (W3C Trace Context) of the request that led to it

-- As before, with "trace"; an event without one has that of its cause.
create or replace function append_events(batch jsonb)
returns table (ord bigint, seq bigint, txn text, appended boolean)
language plpgsql as $$
begin
	perform append_lock();
	return query
	with item as (
		select e.ordinality as ord, e.value as j
		from jsonb_array_elements(batch) with ordinality as e
	), added as (
		insert into event (seq, origin, origin_id, type, txn, cause, agent_id, sub_id, body, evidence, trace)
		select nextval('event_seq'), i.j->>'origin', i.j->>'origin_id', i.j->>'type', i.j->>'txn',
			(i.j->>'cause')::bigint, i.j->>'agent_id', nullif(i.j->'sub_id', 'null'), i.j->'body',
			decode(i.j->>'evidence', 'hex'),
			coalesce(i.j->>'trace', (select c.trace from event c where c.seq = (i.j->>'cause')::bigint))
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
