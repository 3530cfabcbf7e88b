-- SPDX-License-Identifier: Apache-2.0
-- Saves the positions of streams of these units, as their owner; the entries of the streams in "gone" are dropped. paid:
-- what of their "owed" is settled, {stream: {"rewound","paid"}} or null. A checkpoint that arrives after a later one (n)
-- changes nothing, as that one holds what it says. Gives the streams that were rewound since their owner read them, or are
-- gone: their entries do not count.
create function save_checkpoint(me uuid, nth bigint, units smallint[], epochs bigint[], entries jsonb, paid jsonb,
	gone text[])
returns setof text language plpgsql as $$
begin
	perform fence(me, units, epochs);
	insert into checkpoint as c (owner, state, n) values (me, entries - gone, nth)
	on conflict (owner) do update set state = (c.state || excluded.state) - gone, n = nth,
		at = clock_timestamp()
	where c.n < nth;
	if found and paid is not null then
		update stream_state s set owed = s.owed - (p.value->>'paid')::int8multirange
		from jsonb_each(paid) p
		where s.stream_id = p.key and s.rewound = (p.value->>'rewound')::bigint;
	end if;
	return query select e.key from jsonb_each(entries) e
		left join stream_state s on s.stream_id = e.key
		where s.rewound is distinct from (e.value->>'rewound')::bigint;
end
$$;
