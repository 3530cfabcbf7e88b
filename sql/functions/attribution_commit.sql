-- SPDX-License-Identifier: Apache-2.0
-- The answer to "which credential": appends what was found and forgets the question, in one transaction, if process
-- "me" owns attribution under this epoch. Without effect when the question has been answered.
create function attribution_commit(me uuid, epoch bigint, asked bigint, events jsonb) returns void language plpgsql as $$
begin
	perform append_lock(); -- before the fence: it may take a while
	perform fence(me, '{65}', array[epoch]);
	delete from attribution a where a.seq = asked;
	if found then
		perform append_events(events);
	end if;
end
$$;
