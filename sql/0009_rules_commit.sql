-- SPDX-License-Identifier: Apache-2.0
-- What the rules have appended is told to the process that did it, as append_events() tells: it goes out
-- without being read back. As before in all else.
drop function rules_commit(uuid, bigint, bigint, bigint, jsonb, jsonb, jsonb);
create function rules_commit(me uuid, epoch bigint, expected bigint, new_cursor bigint, events jsonb,
	hits jsonb, revocations jsonb)
returns table (ord bigint, seq bigint, txn text, appended boolean, at_ms bigint) language plpgsql as $$
begin
	perform append_lock();
	perform fence(me, '{64}', array[epoch]);
	perform rules_commit(expected, new_cursor, '[]', hits, revocations);
	return query select * from append_events(events) a order by a.ord;
end
$$;
