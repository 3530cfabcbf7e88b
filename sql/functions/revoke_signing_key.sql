-- SPDX-License-Identifier: Apache-2.0
-- Revokes a key at once, and makes sure that another one of its algorithm signs: the one that does already, else the next,
-- else the one before, else the replacement ({"kid","public","sealed"}, or null: 40001 if it is needed). Gives the ring.
-- Repeating it changes nothing.
create function revoke_signing_key(wanted text, replacement jsonb)
returns setof signing_key_ring language plpgsql as $$
declare
	its_alg text;
	heir text;
begin
	lock table signing_key in share row exclusive mode;
	select k.alg into its_alg from signing_key k where k.kid = wanted;
	if not found then
		raise exception 'there is no such key any more' using errcode = '40001';
	end if;
	select r.kid into heir from signing_key_ring r where r.alg = its_alg and r.signs_from_ms <= r.now_ms
		order by r.signs_from_ms desc, r.created_ms desc, r.kid desc limit 1;
	update signing_key k set revoked_at = coalesce(k.revoked_at, clock_timestamp()), sealed = null
		where k.kid = wanted;
	if heir is null or heir = wanted then
		select r.kid into heir from signing_key_ring r where r.alg = its_alg
			order by r.signs_from_ms desc, r.created_ms desc, r.kid desc limit 1;
	end if;
	if heir is not null then
		update signing_key k set signs_from = least(k.signs_from, clock_timestamp()),
			published_until = case when exists (select from signing_key_ring r
				where r.alg = its_alg and r.signs_from_ms > r.now_ms and r.kid <> heir)
				then k.published_until end
			where k.kid = heir;
	elsif replacement is not null then
		insert into signing_key (kid, alg, public, sealed)
		values (replacement->>'kid', its_alg, replacement->'public',
			decode(replacement->>'sealed', 'hex'));
	else
		raise exception 'there is no other key' using errcode = '40001';
	end if;
	return query select * from signing_key_ring;
end
$$;
