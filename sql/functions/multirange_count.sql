-- SPDX-License-Identifier: Apache-2.0
-- How many numbers are in it.
create function multirange_count(m int8multirange) returns bigint language sql immutable as $$
	select coalesce(sum(upper(r) - lower(r)), 0)::bigint from unnest(m) r;
$$;
