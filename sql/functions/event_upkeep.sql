-- SPDX-License-Identifier: Apache-2.0
-- One step of keeping the log in partitions, by whichever process is first. The caller repeats it as long as it gives a row
-- other than "held": "added" (the partition after the current one), "begun" (that one, as the current one is old enough),
-- "dropped" (the oldest, older than the retention; streams: how many were told), or "held" (it should be dropped, but the rules
-- or attributions have not read it). Locks that readers and writers wait for are taken last, and given up soon: 55P03 when a
-- reader holds them for longer.
create function event_upkeep(retention_ms bigint, period_ms bigint)
returns table (did text, k bigint, from_seq bigint, to_seq bigint, streams bigint)
language plpgsql set lock_timeout = '100ms' as $$
declare
	retention interval := retention_ms * interval '1 millisecond';
	period interval := period_ms * interval '1 millisecond';
	in_use bigint;
	at timestamptz;
begin
	if not pg_try_advisory_xact_lock(7236520, 3) then
		return;
	end if;
	select s.last_value / event_width() into in_use from event_seq s;
	for k in select in_use union all select in_use + 1 loop
		if to_regclass('event_p' || k) is null then
			perform event_partition_add(k);
			did := 'added';
			return next;
			return;
		end if;
	end loop;
	execute format('select appended_at from event_p%s order by seq limit 1', in_use) into at;
	if at < clock_timestamp() - period then
		perform append_lock();
		k := in_use + 1;
		perform setval('event_seq', k * event_width(), false) from event_seq s where s.last_value < k * event_width();
		did := 'begun';
		return next;
		return;
	end if;
	select p.k, p.first_seq, p.last_seq into k, from_seq, to_seq from event_partitions() p limit 1;
	execute format('select appended_at from event_p%s order by seq desc limit 1', k) into at;
	if k >= in_use or at >= clock_timestamp() - retention then
		return;
	end if;
	did := 'held';
	if not exists (select from consumer c where c.cursor < to_seq)
		and not exists (select from attribution a where a.seq <= to_seq)
	then
		streams := event_drop_tell(k, from_seq, to_seq);
		delete from stream_dropped d where d.at < clock_timestamp() - retention;
		delete from dead_letter d where d.seq <= to_seq and d.at < clock_timestamp() - retention;
		execute format('drop table event_p%s, rule_hit_p%1$s', k);
		did := 'dropped';
	end if;
	return next;
end
$$;
