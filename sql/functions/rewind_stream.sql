-- SPDX-License-Identifier: Apache-2.0
-- Lets a stream be read again from an event, or (to_seq null) from the first one that was appended at a time (ms since
-- 1970) or later. By the stream's owner. It never skips events: a position ahead of the stream's has no effect. Dead
-- letters from there on are deleted, as their events are read again. outcome: done; no_stream, disabled, future, gone
-- (the log does not hold everything from there on); if not done, nothing has changed. first: the first event that is read
-- again; oldest: the oldest in the log. "position" is where the owner stands, as in a checkpoint: what is settled before
-- first is not read again.
create function rewind_stream(me uuid, epoch bigint, wanted text, to_seq bigint, to_ms bigint, "position" jsonb)
returns table (outcome text, first bigint, oldest bigint) language plpgsql as $$
declare
	newest bigint := coalesce((select e.seq from event e order by e.seq desc limit 1),
		(select q.last_value from event_seq q));
	to_time timestamptz := to_timestamp(to_ms / 1000.0);
	oldest_at timestamptz;
	again int8multirange;
begin
	perform fence(me, array[shard_of(wanted)], array[epoch]);
	select e.seq, e.appended_at into oldest, oldest_at from event e order by e.seq limit 1;
	perform from stream_state s where s.stream_id = wanted for update;
	outcome := case
		when not found then 'no_stream'
		when (select r.spec->>'status' from resource r where r.kind = 'stream' and r.id = wanted) = 'disabled'
			then 'disabled'
		when to_seq > newest or to_time > clock_timestamp() then 'future'
		when oldest is null or to_seq < oldest or oldest > 1 and to_time < oldest_at then 'gone'
		else 'done' end;
	if outcome = 'done' then
		perform fold_position(wanted, "position");
		first := coalesce(to_seq, seq_at(to_time));
		again := int8multirange(int8range(first, null));
		update stream_state s
		set cursor = least(s.cursor, first - 1), acked = s.acked - again, owed = s.owed - again,
			rewound = nextval('stream_rewound'), again_at = clock_timestamp(), backlog = 0
		where s.stream_id = wanted;
		delete from dead_letter d where d.stream_id = wanted and d.seq >= first;
	end if;
	return next;
end
$$;
