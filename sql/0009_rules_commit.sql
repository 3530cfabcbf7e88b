-- SPDX-License-Identifier: Apache-2.0
-- What the rules have appended is told to the process that did it, as append_events() tells: it goes out
-- without being read back.

drop function rules_commit(uuid, bigint, bigint, bigint, jsonb, jsonb, jsonb);
drop function rules_commit(bigint, bigint, jsonb, jsonb, jsonb);

create function rules_commit(expected bigint, new_cursor bigint, events jsonb, hits jsonb,
	revocations jsonb)
returns table (ord bigint, seq bigint, txn text, appended boolean, at_ms bigint) language plpgsql as $$
#variable_conflict use_column
declare
	at_now bigint;
begin
	perform append_lock();
	select c.cursor into strict at_now from consumer c where c.name = 'rules' for update;
	if at_now <> expected then
		raise exception 'rules cursor is %, not %', at_now, expected using errcode = '40001';
	end if;
	return query select * from append_events(events) a order by a.ord;
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

create function rules_commit(me uuid, epoch bigint, expected bigint, new_cursor bigint, events jsonb,
	hits jsonb, revocations jsonb)
returns table (ord bigint, seq bigint, txn text, appended boolean, at_ms bigint) language plpgsql as $$
begin
	perform append_lock();
	perform fence(me, '{64}', array[epoch]);
	return query select * from rules_commit(expected, new_cursor, events, hits, revocations);
end
$$;
