-- SPDX-License-Identifier: Apache-2.0
-- Makes process "me" a member, by the session that calls this. If the server has not missed an earlier session of the same
-- process yet, that one is ended: it holds the locks that this one wants.
create function owner_join(me uuid, its_url text, its_change bigint, its_keys bigint) returns void language plpgsql as $$
declare
	n int := nextval('member_number');
begin
	perform pg_terminate_backend(l.pid, 1000) from member m join owner_lock l on l.class = 7236522 and l.id = m.number
	where m.owner = me and l.pid <> pg_backend_pid();
	perform pg_advisory_lock(7236522, n);
	insert into member values (me, n, its_url, its_change, its_keys)
	on conflict (owner) do update set number = excluded.number, url = excluded.url,
		change = excluded.change, keys = excluded.keys;
end
$$;
