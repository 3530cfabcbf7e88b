-- SPDX-License-Identifier: Apache-2.0
-- One step of the rules consumer: what the rules made of the events up to new_cursor, all or nothing, if process "me" owns
-- the rules under this epoch. Fails (40001) if the cursor is not where it was expected. Gives what append_events()
-- gives of events.
create function rules_commit(me uuid, epoch bigint, expected bigint, new_cursor bigint, events jsonb, hits jsonb,
	revocations jsonb)
returns table (ord bigint, seq bigint, txn text, appended boolean, at_ms bigint) language plpgsql as $$
declare
	cursor_now bigint;
begin
	perform append_lock(); -- before the fence: it may take a while
	perform fence(me, '{64}', array[epoch]);
	select c.cursor into strict cursor_now from consumer c where c.name = 'rules' for update;
	if cursor_now <> expected then
		raise exception 'rules cursor is %, not %', cursor_now, expected using errcode = '40001';
	end if;
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
	return query select * from append_events(events) a order by a.ord;
end
$$;
