-- SPDX-License-Identifier: Apache-2.0
-- The partitions in order, and the first and last seq in each: nulls if it is empty or is being dropped.
create function event_partitions() returns table (k bigint, first_seq bigint, last_seq bigint)
language plpgsql stable as $$
begin
	for k in
		select substr(c.relname, 8)::bigint from pg_inherits i join pg_class c on c.oid = i.inhrelid
		where i.inhparent = 'event'::regclass order by 1
	loop
		select min(e.seq), max(e.seq) into first_seq, last_seq from event e
			where e.seq >= k * event_width() and e.seq < (k + 1) * event_width();
		return next;
	end loop;
end
$$;
