-- SPDX-License-Identifier: Apache-2.0
-- Held shared by each transaction that writes as an owner, exclusively while units change hands: an owner that was found to
-- be one still is when its write is committed.
create function fence_lock() returns void language sql as $$
	select pg_advisory_xact_lock_shared(7236520, 4);
$$;
