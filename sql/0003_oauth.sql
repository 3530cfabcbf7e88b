-- Client assertions that have been used (RFC 7523 section 3, "jti"), for as long as they could be again.
create table client_assertion (
	once       bytea       primary key, -- SHA-256 of client and jti
	expires_at timestamptz not null
);
create index client_assertion_expires on client_assertion (expires_at);

-- Whether this is the first use. Clears away a few that have expired: more than come in.
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
