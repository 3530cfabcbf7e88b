-- SPDX-License-Identifier: Apache-2.0
-- How many numbers a partition of the log has: EVENT_PARTITION_SEQS in hub/eventlog.
create function event_width() returns bigint language sql immutable as $$
	select 1000000000::bigint;
$$;
