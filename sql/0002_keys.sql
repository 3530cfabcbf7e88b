-- Signing keys come and go by time (docs/keys.md). A key is in the JWKS from when it is stored until
-- published_until (null: no end is set yet), and signs from signs_from until a newer one does. A
-- revoked one does neither.
alter table signing_key
	add column signs_from      timestamptz not null default clock_timestamp(),
	add column published_until timestamptz,
	add column revoked_at      timestamptz,
	alter column sealed drop not null; -- forgotten when the key can sign no more
update signing_key set signs_from = created_at;

-- The keys that count now, the newest of an algorithm last, and what time it is for all who read it.
create view signing_key_ring as
	select kid, alg, encode(sealed, 'hex') as sealed,
		(extract(epoch from created_at) * 1000)::bigint as created_ms,
		(extract(epoch from signs_from) * 1000)::bigint as signs_from_ms,
		(extract(epoch from published_until) * 1000)::bigint as published_until_ms,
		(extract(epoch from clock_timestamp()) * 1000)::bigint as now_ms
	from signing_key
	where revoked_at is null and (published_until is null or published_until > clock_timestamp())
	order by alg, signs_from, created_at, kid;

-- Adds keys (with "public" and "sealed"), or lets the one that waits sign earlier (without), all or
-- nothing. "after" is the newest key of the algorithm that the caller knows of, null: none; 40001 if
-- it is not, so that of two who rotate at once one fails. The key signs after ahead_ms and not before
-- not_before_ms; the ones before it stay published for keep_ms after that. Gives the ring.
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

-- Takes a key out at once, and sees to it that another one of its algorithm signs: the one that
-- does already, else the next, else the one before, else the replacement ({"kid","public","sealed"}
-- or null; 40001 if it is needed and null). Gives the ring. Repeating it changes nothing.
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
