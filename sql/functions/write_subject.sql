-- SPDX-License-Identifier: Apache-2.0
-- Adds or removes a subject of a stream, by the stream's owner. Only what differs from the stream's default gets a row; an
-- existing row is changed.
create function write_subject(me uuid, epoch bigint, stream text, its_key bytea, its_subject jsonb,
	is_wanted boolean, its_until timestamptz, by_default boolean)
returns void language plpgsql as $$
begin
	perform fence(me, array[shard_of(stream)], array[epoch]);
	insert into stream_subject as x (stream_id, key, subject, wanted, until)
	select s.stream_id, its_key, its_subject, is_wanted, its_until
	from stream_state s where s.stream_id = stream and (is_wanted <> by_default or exists
		(select from stream_subject y where y.stream_id = s.stream_id and y.key = its_key))
	for key share of s
	on conflict (stream_id, key) do update set wanted = excluded.wanted,
		until = case when x.wanted or excluded.wanted then excluded.until else x.until end;
end
$$;
