-- What the upkeep of streams goes by: eligible activity of the receiver (SSF 1.0 section 8.1.1), and
-- the last verification event that the hub has sent by itself. Both periods begin with the row.
alter table stream_state
	add column active_at timestamptz not null default clock_timestamp(),
	add column heartbeat_at timestamptz not null default clock_timestamp(),
	add column heartbeat_seq bigint not null default 0;

-- As before, with active_at, heartbeat_at (seconds) and heartbeat_seq, which are optional and never
-- go back either.
create or replace function checkpoint_streams(batch jsonb) returns void language sql as $$
	update stream_state s
	set cursor = greatest(s.cursor, b.cursor),
		acked = case when b.cursor >= s.cursor then b.acked::int8multirange else s.acked end,
		delivered = s.delivered + b.delivered,
		last_success_at = coalesce(to_timestamp(b.success_at), s.last_success_at),
		last_error_at = coalesce(to_timestamp(b.error_at), s.last_error_at),
		last_error = coalesce(b.error, s.last_error),
		active_at = greatest(s.active_at, to_timestamp(b.active_at)),
		heartbeat_at = greatest(s.heartbeat_at, to_timestamp(b.heartbeat_at)),
		heartbeat_seq = greatest(s.heartbeat_seq, b.heartbeat_seq)
	from jsonb_to_recordset(batch) as b(id text, cursor bigint, acked text, delivered bigint,
		success_at double precision, error_at double precision, error text,
		active_at double precision, heartbeat_at double precision, heartbeat_seq bigint)
	where s.stream_id = b.id;
$$;
