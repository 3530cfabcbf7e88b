-- SPDX-License-Identifier: Apache-2.0
-- Ends the membership of process "me" and frees the locks of its session.
create function owner_leave(me uuid) returns void language sql as $$
	delete from member m where m.owner = me;
	select pg_advisory_unlock_all();
$$;
