-- SPDX-License-Identifier: Apache-2.0
-- Makes partition k as a table of its own and then attaches it, which takes no lock that readers or writers of the log would
-- wait for.
create function event_partition_add(k bigint) returns void language plpgsql as $$
declare
	bounds text := format('for values from (%s) to (%s)', k * event_width(), (k + 1) * event_width());
begin
	execute format('create table event_p%s (like event including all)', k);
	execute format('alter table event_p%s add constraint event_p%1$s_origin_key unique (origin_id, origin)', k);
	execute format('alter table event attach partition event_p%s %s', k, bounds);
	execute format('create table rule_hit_p%s (like rule_hit including all)', k);
	execute format('alter table rule_hit attach partition rule_hit_p%s %s', k, bounds);
end
$$;
