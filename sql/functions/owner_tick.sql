-- SPDX-License-Identifier: Apache-2.0
-- A member calls this a few times a second, by its session: it says which changes it has applied, acquires free units up to
-- its fair share, and gets the members, the owners and the newest changes. Null if it is not a member (any more).
create function owner_tick(me uuid, its_change bigint, its_keys bigint, it_leaves boolean) returns jsonb
language plpgsql as $$
declare
	alive int[] := array(select l.id from owner_lock l where l.class = 7236522);
	held int := (select count(*) from owner_lock l where l.class = 7236521 and l.pid = pg_backend_pid());
	its_number int := (select m.number from member m where m.owner = me);
	stay int;
	share int;
	taken jsonb := '[]';
begin
	if its_number is null or its_number <> all (alive) then
		return null;
	end if;
	update member m set change = its_change, keys = its_keys
	where m.owner = me and (m.change <> its_change or m.keys <> its_keys);
	delete from member m where m.number <> all (alive);
	if it_leaves and not exists (select from owner_lock l where l.class = 7236523 and l.id = its_number) then
		perform pg_advisory_lock(7236523, its_number);
	end if;
	stay := cardinality(alive) - (select count(*) from owner_lock l where l.class = 7236523);
	share := ceil((select count(*) from unit) / greatest(stay, 1)::numeric);
	if held < share and not it_leaves then
		taken := acquire_units(me, share - held);
	end if;
	return jsonb_build_object('share', share, 'taken', taken,
		'change', coalesce((select max(h.change) from resource_history h), 0),
		'keys', (select n from key_change),
		'members', (select jsonb_agg(jsonb_build_object('owner', m.owner, 'url', m.url, 'change', m.change,
			'keys', m.keys)) from member m where m.number = any (alive)),
		'units', (select jsonb_agg(u.owner order by u.id) from unit u where cardinality(alive) > 1));
end
$$;
