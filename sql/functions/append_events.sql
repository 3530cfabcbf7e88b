-- SPDX-License-Identifier: Apache-2.0
-- Appends a batch, in order: an array for each column of event (a null or missing trace is that of the cause), and whether
-- the credential has still to be looked up. Gives one row an element: what is stored now under its (origin, origin_id),
-- whether this element is it, and when this batch was stored. No constraint spans partitions: under the lock, which makes
-- this the only writer, each partition is asked by its index.
create function append_events(origins text[], origin_ids text[], types text[], txns text[],
	causes bigint[], agent_ids text[], sub_ids jsonb[], bodies jsonb[], evidences bytea[], traces text[],
	lookups boolean[])
returns table (ord bigint, seq bigint, txn text, appended boolean, at_ms bigint) language plpgsql as $$
declare
	n bigint := cardinality(origins);
	at timestamptz;
	first_new bigint;
	stored bigint;
	repeats boolean;
begin
	perform append_lock();
	at := clock_timestamp();
	at_ms := (extract(epoch from at) * 1000)::bigint;
	select s.last_value + s.is_called::int into first_new from event_seq s;
	if first_new / event_width() <> (first_new + n) / event_width() then -- a batch is in one partition
		first_new := (first_new / event_width() + 1) * event_width();
		perform setval('event_seq', first_new, false);
	end if;
	repeats := n > (select count(*) from (select from unnest(origin_ids, origins) as i (a, b) group by i.a, i.b) d);
	insert into event (seq, appended_at, origin, origin_id, type, txn, cause, agent_id, sub_id, body, evidence, trace)
	select nextval('event_seq'), at, i.origin, i.origin_id, i.type, i.txn, i.cause, i.agent_id, i.sub_id, i.body,
		i.evidence, case when i.trace is null and i.cause is not null
			then (select c.trace from event c where c.seq = i.cause) else i.trace end
	from unnest(origins, origin_ids, types, txns, causes, agent_ids, sub_ids, bodies, evidences, traces)
		with ordinality as i (origin, origin_id, type, txn, cause, agent_id, sub_id, body, evidence, trace, ord)
	where (select e.seq from event e where e.origin_id = i.origin_id and e.origin = i.origin limit 1) is null
		and (not repeats or i.ord = (select min(j.ord) from unnest(origins, origin_ids) with ordinality
			as j (origin, origin_id, ord) where j.origin_id = i.origin_id and j.origin = i.origin));
	get diagnostics stored = row_count;
	if stored = n then -- nobody else takes numbers from event_seq under the lock
		return query select o, first_new + o - 1, txns[o], true, at_ms from generate_series(1, n) o;
	else
		return query select i.ord, e.seq, e.txn,
			e.seq >= first_new and i.ord = min(i.ord) over (partition by e.seq), at_ms
		from unnest(origins, origin_ids) with ordinality as i (origin, origin_id, ord)
		cross join lateral (
			select h.seq, h.txn from event h where h.origin_id = i.origin_id and h.origin = i.origin limit 1) e
		order by i.ord;
	end if;
	if true = any (lookups) then
		insert into attribution (seq)
		select distinct e.seq
		from unnest(origins, origin_ids, lookups) as i (origin, origin_id, lookup)
		cross join lateral (
			select h.seq from event h where h.origin_id = i.origin_id and h.origin = i.origin limit 1) e
		where i.lookup and e.seq >= first_new;
	end if;
end
$$;

-- The same for an array of objects, which is slower; evidence is in hex.
create function append_events(batch jsonb)
returns table (ord bigint, seq bigint, txn text, appended boolean, at_ms bigint) language sql as $$
	select a.* from (
		select array_agg(i.origin) as origins, array_agg(i.origin_id) as origin_ids, array_agg(i.type) as types,
			array_agg(i.txn) as txns, array_agg(i.cause) as causes, array_agg(i.agent_id) as agent_ids,
			array_agg(nullif(i.sub_id, 'null')) as sub_ids, array_agg(i.body) as bodies,
			array_agg(decode(i.evidence, 'hex')) as evidences, array_agg(i.trace) as traces,
			array_agg(i.lookup) as lookups
		from jsonb_to_recordset(batch) as i (origin text, origin_id text, type text, txn text, cause bigint,
			agent_id text, sub_id jsonb, body jsonb, evidence text, trace text, lookup boolean)
	) c
	cross join lateral append_events(c.origins, c.origin_ids, c.types, c.txns, c.causes, c.agent_ids,
		c.sub_ids, c.bodies, c.evidences, c.traces, c.lookups) a
	where c.origins is not null;
$$;
