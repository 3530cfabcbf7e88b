-- SPDX-License-Identifier: Apache-2.0
-- Taken by every transaction that appends; released when its commit is visible. So commit order equals seq order.
create function append_lock() returns void language sql as $$
	select pg_advisory_xact_lock(7236520, 1);
$$;
