-- SPDX-License-Identifier: Apache-2.0
-- Sends dead letters of a stream again: one, or (null) as many as there is room for, oldest first. By the stream's owner.
-- At most "most" are owed at once. outcome: done; no_stream, disabled, gone (the event is not in the log any more),
-- no_letter, full. gone and remaining: how many stay dead letters.
create function redrive_dead_letters(me uuid, epoch bigint, wanted text, one bigint, most bigint)
returns table (outcome text, redriven bigint, gone bigint, remaining bigint) language plpgsql as $$
declare
	state stream_state;
	oldest bigint := (select e.seq from event e order by e.seq limit 1);
	room bigint;
	sent int8multirange;
begin
	perform fence(me, array[shard_of(wanted)], array[epoch]);
	redriven := 0;
	gone := 0;
	remaining := 0;
	outcome := 'no_stream';
	select s.* into state from stream_state s where s.stream_id = wanted for update;
	if not found then
		return next;
		return;
	end if;
	room := most - multirange_count(state.owed);
	outcome := case
		when (select r.spec->>'status' from resource r where r.kind = 'stream' and r.id = wanted) = 'disabled'
			then 'disabled'
		when one is null then 'done'
		when one < coalesce(oldest, one + 1) then 'gone'
		when not exists (select from dead_letter d where d.stream_id = wanted and d.seq = one) then 'no_letter'
		when room <= 0 then 'full'
		else 'done' end;
	if outcome <> 'done' then
		return next;
		return;
	end if;
	with taken as (
		delete from dead_letter d where d.stream_id = wanted and d.seq in (
			select c.seq from dead_letter c
			where c.stream_id = wanted and c.seq between coalesce(one, oldest) and coalesce(one, c.seq)
			order by c.seq limit greatest(room, 0))
		returning d.seq
	)
	select count(*), coalesce(range_agg(int8range(t.seq, t.seq, '[]')), '{}') into redriven, sent from taken t;
	update stream_state s set owed = s.owed + sent, again_at = clock_timestamp() where s.stream_id = wanted;
	if one is null then
		select count(*) filter (where d.seq >= oldest), count(*) filter (where d.seq >= oldest is not true)
		into remaining, gone from dead_letter d where d.stream_id = wanted;
	end if;
	return next;
end
$$;
