-- SPDX-License-Identifier: Apache-2.0
-- Whether this is the first use of an assertion. Deletes a few that have expired: more than come in.
create function take_client_assertion(wanted bytea, until timestamptz) returns boolean
language plpgsql as $$
begin
	delete from client_assertion c where c.once in (
		select e.once from client_assertion e where e.expires_at < clock_timestamp()
		order by e.expires_at limit 8 for update skip locked);
	insert into client_assertion (once, expires_at) values (wanted, until) on conflict do nothing;
	return found;
end
$$;
