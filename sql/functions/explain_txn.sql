-- SPDX-License-Identifier: Apache-2.0
-- Everything about one cause: what came in, which rules matched and why, what followed, and how far each stream has come
-- with it. Null when there is no such txn.
create function explain_txn(wanted text) returns jsonb language sql stable as $$
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
