-- SPDX-License-Identifier: Apache-2.0
-- Fails (40001) unless process "me" owns these units under these epochs; it then does until the transaction ends.
create function fence(me uuid, units smallint[], epochs bigint[]) returns void language plpgsql as $$
begin
	perform fence_lock();
	if exists (select from unnest(units, epochs) x(id, epoch) left join unit u on u.id = x.id
		where u.owner is distinct from me or u.epoch <> x.epoch)
	then
		raise exception 'this process does not own the unit any more' using errcode = '40001';
	end if;
end
$$;
