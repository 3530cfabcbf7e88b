-- SPDX-License-Identifier: Apache-2.0
-- Deletes a revocation or suspension for an operator, and appends an event of the same txn. Gives whether there was one.
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
