-- SPDX-License-Identifier: Apache-2.0
-- The first event that was appended at that time or later; one above the last when there is none. Times in the log do not
-- go down unless a clock was set back: then the answer is approximate.
create function seq_at(wanted timestamptz) returns bigint language plpgsql stable as $$
declare
	low bigint := coalesce((select e.seq from event e order by e.seq limit 1), 1);
	high bigint := coalesce((select e.seq from event e order by e.seq desc limit 1), 0) + 1;
	middle bigint;
	found_seq bigint;
	found_at timestamptz;
begin
	while low < high loop
		middle := (low + high) / 2;
		select e.seq, e.appended_at into found_seq, found_at from event e
			where e.seq >= middle order by e.seq limit 1;
		if found_at >= wanted then
			high := middle;
		else
			low := found_seq + 1;
		end if;
	end loop;
	return low;
end
$$;
