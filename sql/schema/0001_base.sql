-- SPDX-License-Identifier: Apache-2.0
-- The tables. What each is for, and how they work together: docs/architecture.md. What reads and writes them is in
-- sql/functions; here are only the functions that tables depend on, which never change.

-- --- resources: what operators set up -----------------------------------------------------------------------------

-- One JSON form per kind. Secrets inside spec are sealed.
create table resource (
	kind       text        not null,
	id         text        not null,
	version    bigint      not null,
	spec       jsonb       not null,
	updated_at timestamptz not null default clock_timestamp(),
	primary key (kind, id)
);
create index resource_stream_client on resource ((spec->>'client')) where kind = 'stream';

-- Every version that a resource ever had; spec null: deleted. change numbers all changes in the order of their
-- commits, without gaps: each process follows it.
create table resource_history (
	kind       text        not null,
	id         text        not null,
	version    bigint      not null,
	spec       jsonb,
	actor      text        not null,
	changed_at timestamptz not null default clock_timestamp(),
	change     bigint      not null unique,
	primary key (kind, id, version)
);

-- --- the event log ------------------------------------------------------------------------------------------------

-- Append-only. Rows come through append_events() alone, under one lock, so that commit order equals seq order and a
-- reader that has seen N has seen everything below N. Partition event_pK has the numbers from K * event_width() on:
-- docs/adr/0009-partitions-by-seq.md. Ids are compared by their bytes: nothing needs more.
create sequence event_seq;
create table event (
	seq         bigint      primary key,
	appended_at timestamptz not null default clock_timestamp(),
	origin      text collate "C" not null, -- source:ID, issuer:URL, attribution, rules, ...
	origin_id   text collate "C" not null, -- the id that the origin gave it: delivery id, jti, action id
	type        text        not null,
	txn         text collate "C" not null, -- shared by everything that one cause led to
	cause       bigint,               -- seq of the event that led to this one
	agent_id    text,
	sub_id      jsonb,                -- null: a signal, which no stream carries
	body        jsonb       not null,
	evidence    bytea,                -- SHA-256 of the request or SET that brought it
	trace       text                  -- traceparent (W3C Trace Context) of the request that led to it
) partition by range (seq);
create index event_txn on event (txn);
create index event_unattributed on event (seq) where type = 'secret.leaked' and agent_id is null;

-- Which rule matched which event, why, and what it did (or, in dry-run, would have done). Partitions as those of event.
create table rule_hit (
	seq      bigint      not null,
	rule_id  text        not null,
	file_id  text        not null,
	digest   text        not null, -- SHA-256 of the rule file's text
	mode     text        not null,
	severity text        not null,
	trace    jsonb       not null,
	actions  jsonb       not null,
	at       timestamptz not null default clock_timestamp(),
	primary key (seq, file_id, rule_id)
) partition by range (seq);

-- The first two partitions; event_partition_add() makes the others.
create table event_p0 partition of event
	(constraint event_p0_origin_key unique (origin_id, origin)) for values from (0) to (1000000000);
create table event_p1 partition of event
	(constraint event_p1_origin_key unique (origin_id, origin)) for values from (1000000000) to (2000000000);
create table rule_hit_p0 partition of rule_hit for values from (0) to (1000000000);
create table rule_hit_p1 partition of rule_hit for values from (1000000000) to (2000000000);

-- --- consumers of the log -----------------------------------------------------------------------------------------

-- How far each consumer has read.
create table consumer (
	name   text   primary key,
	cursor bigint not null
);
insert into consumer values ('rules', 0);

-- Signals whose credential has still to be looked up. A row goes when the answer is in the log.
create table attribution (
	seq      bigint      primary key,
	attempts integer     not null default 0,
	next_at  timestamptz not null default clock_timestamp()
);
create index attribution_next on attribution (next_at);

-- The state that revocations leave behind: what was issued before not_before is void.
create table revocation (
	effect      text        not null check (effect in ('revoke', 'suspend')),
	target_kind text        not null,
	target      text        not null,
	not_before  timestamptz not null,
	until       timestamptz,
	reason      text        not null,
	rule_id     text        not null,
	seq         bigint      not null,
	txn         text        not null,
	primary key (effect, target_kind, target)
);
create index revocation_txn on revocation (txn);

-- --- streams ------------------------------------------------------------------------------------------------------

-- The shard of a stream: the first byte of the SHA-256 of its id. hub/cluster/owner.c computes the same.
create function shard_of(stream text) returns smallint language sql immutable strict parallel safe as $$
	select (get_byte(sha256(convert_to(stream, 'UTF8')), 0) & 63)::smallint
$$;

-- Where a stream begins: all matching events at or below cursor are settled, and those in acked. What its owner has
-- saved since (table checkpoint) counts instead when it is of the same "rewound". owed is kept here alone.
create sequence stream_rewound;
create table stream_state (
	stream_id       text           primary key,
	cursor          bigint         not null,
	acked           int8multirange not null default '{}',
	delivered       bigint         not null default 0,
	last_success_at timestamptz,
	last_error_at   timestamptz,
	last_error      text,
	active_at       timestamptz    not null default clock_timestamp(), -- activity of the receiver (SSF 1.0 section 8.1.1)
	heartbeat_at    timestamptz    not null default clock_timestamp(), -- last verification event that the hub sent by itself
	heartbeat_seq   bigint         not null default 0,
	rewound         bigint         not null default nextval('stream_rewound'), -- new each time the stream is made or rewound
	again_at        timestamptz,                                       -- last redrive or rewind: older events are not given up for their age
	owed            int8multirange not null default '{}',              -- redriven: to be sent again though settled
	failing         boolean        not null default false,             -- the last push failed
	backlog         bigint         not null default 0,                 -- events that wait, as far as they were counted
	backlog_base    bigint         not null default 0,                 -- the backlog when it was last enabled, if above its limit
	shard           smallint       not null generated always as (shard_of(stream_id)) stored
);
create index stream_state_shard on stream_state (shard);

-- Where the streams of each process stand: one row a process, however many they are. state: stream to
-- {"rewound","cursor","acked","delivered",...}, as stream_positions() reads it.
create table checkpoint (
	owner uuid        primary key,
	state jsonb       not null,
	n     bigint      not null default 0, -- which checkpoint of its owner's it is
	at    timestamptz not null default clock_timestamp()
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500,
	toast.autovacuum_vacuum_scale_factor = 0, toast.autovacuum_vacuum_threshold = 5000);

-- Subjects that were added to a stream, or removed from it, against its default.
create table stream_subject (
	stream_id text        not null,
	key       bytea       not null, -- SHA-256 of the canonical subject
	subject   jsonb       not null,
	wanted    boolean     not null,
	until     timestamptz,          -- a removed subject keeps flowing until then
	primary key (stream_id, key)
);

-- Events that a stream has given up, with the reason. txn and type are kept for when the event is gone from the log.
create table dead_letter (
	stream_id text        not null,
	seq       bigint      not null,
	jti       text        not null,
	reason    text        not null,
	at        timestamptz not null default clock_timestamp(),
	txn       text,
	type      text,
	primary key (stream_id, seq)
);
create index dead_letter_seq on dead_letter (seq); -- they go after their events

-- What was dropped of the log before a stream had it, for as long as the retention.
create table stream_dropped (
	stream_id text        not null references stream_state on delete cascade,
	from_seq  bigint      not null,
	to_seq    bigint      not null,
	at        timestamptz not null default clock_timestamp(),
	reason    text        not null,
	primary key (stream_id, to_seq)
);

-- --- processes ----------------------------------------------------------------------------------------------------

-- docs/adr/0010-units-locks-epochs.md. The work is divided into units: streams by their shard (0 to 63), and what only
-- one process may do (64: the rules, 65: attribution). Who holds the advisory lock of a unit owns it; every
-- acquisition raises its epoch, and what an owner writes is refused unless owner and epoch are still these.
create table ownership (
	epochs bigint[] not null, -- of unit 0, 1 ...: one row, so that taking them all is one write
	owners uuid[]   not null  -- the last ones, also when they are gone: their checkpoints are where units stand
);
insert into ownership values (array_fill(0::bigint, '{66}'), array_fill(null::uuid, '{66}'));
create view unit as
	select (u.n - 1)::smallint as id, u.epoch, u.owner
	from ownership o cross join unnest(o.epochs, o.owners) with ordinality u(epoch, owner, n);

-- Processes that share the work. One is alive as long as its session holds the lock of its number.
-- What they have taken over of changes: of resources and of signing keys. Lost in a crash, like the sessions.
create unlogged table member (
	owner  uuid   primary key,
	number int    not null,
	url    text   not null, -- where the others reach it
	change bigint not null,
	keys   bigint not null
);
create sequence member_number as int cycle;

-- Advisory locks that sessions of this database hold: 7236521: units; 7236522: members, by their number;
-- 7236523: those of them that leave, which hand their units over and take none.
create view owner_lock as
	select l.classid::bigint::int as class, l.objid::bigint::int as id, l.pid
	from pg_locks l
	where l.locktype = 'advisory' and l.objsubid = 2 and l.granted
		and l.classid in (7236521, 7236522, 7236523)
		and l.database = (select d.oid from pg_database d where d.datname = current_database());

-- --- keys and clients ---------------------------------------------------------------------------------------------

-- A key is in the JWKS from when it is stored until published_until (null: no end is set yet), and signs from
-- signs_from until a newer one does. A revoked one does neither. docs/how-to/signing-keys.md
create table signing_key (
	kid             text        primary key,
	alg             text        not null,
	public          jsonb       not null,
	sealed          bytea,               -- PKCS#8, encrypted under the master key; null when the key can sign no more
	created_at      timestamptz not null default clock_timestamp(),
	signs_from      timestamptz not null default clock_timestamp(),
	published_until timestamptz,
	revoked_at      timestamptz
);

-- Counts the changes of signing keys, so that other processes see that there was one.
create table key_change (n bigint not null);
insert into key_change values (1);
create function count_key_change() returns trigger language plpgsql as $$
begin
	update key_change set n = n + 1;
	return null;
end
$$;
create trigger signing_key_change after insert or update or delete on signing_key
	for each statement execute function count_key_change();

-- The keys that count now, the newest of an algorithm last, and the time by the database's clock.
create view signing_key_ring as
	select kid, alg, encode(sealed, 'hex') as sealed,
		(extract(epoch from created_at) * 1000)::bigint as created_ms,
		(extract(epoch from signs_from) * 1000)::bigint as signs_from_ms,
		(extract(epoch from published_until) * 1000)::bigint as published_until_ms,
		(extract(epoch from clock_timestamp()) * 1000)::bigint as now_ms,
		(select k.n from key_change k) as change
	from signing_key
	where revoked_at is null and (published_until is null or published_until > clock_timestamp())
	order by alg, signs_from, created_at, kid;

-- Client assertions that have been used (RFC 7523 section 3, "jti"), for as long as they could be used again.
create table client_assertion (
	once       bytea       primary key, -- SHA-256 of client and jti
	expires_at timestamptz not null
);
create index client_assertion_expires on client_assertion (expires_at);
