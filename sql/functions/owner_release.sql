-- SPDX-License-Identifier: Apache-2.0
-- Frees units of this session. What has to be known of them has been saved.
create function owner_release(units smallint[]) returns void language sql as $$
	select pg_advisory_unlock(7236521, u) from unnest(units) u;
$$;
