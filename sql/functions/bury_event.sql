-- SPDX-License-Identifier: Apache-2.0
-- Gives an event up: it is a dead letter, and not owed any more. By the stream's owner. "current" is false, and nothing is
-- done, when the stream was rewound since or is gone; "added" is whether it was no dead letter before.
create function bury_event(me uuid, epoch bigint, wanted text, known_rewound bigint, wanted_seq bigint,
	its_jti text, why text)
returns table (current boolean, added boolean) language plpgsql as $$
declare
	state stream_state;
begin
	perform fence(me, array[shard_of(wanted)], array[epoch]);
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
