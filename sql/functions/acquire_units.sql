-- SPDX-License-Identifier: Apache-2.0
-- Acquires free units, at most so many, for process "me". Gives [{"unit","epoch"}].
create function acquire_units(me uuid, most int) returns jsonb language plpgsql as $$
declare
	wanted smallint[];
	got smallint[] := '{}';
	others smallint[];
	owners uuid[];
	n smallint;
	taken jsonb;
begin
	wanted := array(select u.id from unit u
		where not exists (select from owner_lock l where l.class = 7236521 and l.id = u.id)
		order by u.id < 64, random() limit most);
	foreach n in array wanted loop
		if pg_try_advisory_lock(7236521, n) then
			got := got || n;
		end if;
	end loop;
	if got = '{}' then
		return '[]';
	end if;
	-- what others have changed before is seen by whoever owns the streams that it is about: write_resources()
	perform pg_advisory_xact_lock_shared(7236520, 2);
	perform pg_advisory_xact_lock(7236520, 4);
	select coalesce(array_agg(u.id), '{}'), coalesce(array_agg(u.owner), '{}') into others, owners
	from unit u where u.id = any (got) and u.owner <> me;
	update ownership o set (epochs, owners) = (
		select array_agg(case when u.id = any (got) then u.epoch + 1 else u.epoch end order by u.id),
			array_agg(case when u.id = any (got) then me else u.owner end order by u.id)
		from unit u);
	select jsonb_agg(jsonb_build_object('unit', u.id, 'epoch', u.epoch)) into taken
	from unit u where u.id = any (got);
	if others <> '{}' then
		perform take_over(me, others, owners);
	end if;
	-- nobody needs these: who comes back begins with what it acquires
	delete from checkpoint c where not exists (select from unit u where u.owner = c.owner)
		and c.owner <> me and not exists (select from member m where m.owner = c.owner);
	return taken;
end
$$;
