-- SPDX-License-Identifier: Apache-2.0
-- Adds keys (with "public" and "sealed"), or lets the next one sign earlier (without), all or nothing. "after" is the newest
-- key of the algorithm that the caller knows of (null: none); if it is not, 40001: of two rotations at once one fails.
-- The key signs after ahead_ms and not before not_before_ms; the ones before it stay published for keep_ms after that.
-- Gives the ring.
create function rotate_signing_keys(batch jsonb, keep_ms bigint)
returns setof signing_key_ring language plpgsql as $$
declare
	item record;
	made timestamptz;
	starts timestamptz;
begin
	lock table signing_key in share row exclusive mode;
	made := clock_timestamp();
	for item in
		select * from jsonb_to_recordset(batch) as b(alg text, after text, kid text, public jsonb,
			sealed text, ahead_ms bigint, not_before_ms bigint)
	loop
		if item.after is distinct from (select r.kid from signing_key_ring r where r.alg = item.alg
			order by r.signs_from_ms desc, r.created_ms desc, r.kid desc limit 1)
		then
			raise exception 'the keys of % have changed meanwhile', item.alg using errcode = '40001';
		end if;
		starts := greatest(made + item.ahead_ms * interval '1 millisecond',
			to_timestamp(item.not_before_ms / 1000.0));
		if item.public is null then
			update signing_key k set signs_from = least(k.signs_from, starts) where k.kid = item.kid;
		else
			update signing_key k set published_until = starts + keep_ms * interval '1 millisecond'
			where k.alg = item.alg and k.published_until is null;
			insert into signing_key (kid, alg, public, sealed, created_at, signs_from)
			values (item.kid, item.alg, item.public, decode(item.sealed, 'hex'), made, starts);
		end if;
	end loop;
	update signing_key k set sealed = null where k.published_until <= made;
	return query select * from signing_key_ring;
end
$$;
