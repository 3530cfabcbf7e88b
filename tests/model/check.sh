#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Verifies cursor.pml with Spin: the protocol holds in every run within small bounds, every run ends,
# and each mutation of it is found out. One line a check, "ok" or "WRONG"; exits 1 if any is wrong.
#
#   sh tests/model/check.sh          a quarter of a minute
#   sh tests/model/check.sh --deep   larger bounds: some minutes, and 2 GiB of memory
set -u

MODEL=$(cd "$(dirname "$0")" && pwd)/cursor.pml
FOLDER=$(mktemp -d "${TMPDIR:-/tmp}/ssfhub-model.XXXXXX") || exit 2
trap 'rm -rf "$FOLDER"' EXIT
trap 'exit 130' INT TERM HUP
cd "$FOLDER" || exit 2
WRONG=0

# verifier OPTION...: makes ./pan of the model. The compiler's options are in CHECKS.
verifier() {
	spin -a "$@" "$MODEL" >spin.log 2>&1 && cc -w $CHECKS -o pan pan.c >>spin.log 2>&1 && return
	cat spin.log >&2
	return 1
}

say() {
	printf 'model: %s: %s\n' "$1" "$2"
	[ "$2" = ok ] || WRONG=1
}

# A search that was cut short has shown nothing.
is_complete() {
	grep -q 'errors: 0' pan.log && ! grep -qE 'max search depth too small|out of memory' pan.log
}

# holds WHAT OPTION...: no run breaks what the model asserts.
holds() {
	what=$1 CHECKS="-O1 -DSAFETY -DCOLLAPSE -DNOFAIR"
	shift
	if verifier "$@" && ./pan -m10000 >pan.log 2>&1 && is_complete; then
		say "$what ($(sed -n 's/^ *\([0-9]*\) states, stored.*/\1/p' pan.log) states)" ok
	else
		tail -n 30 pan.log >&2
		say "$what" WRONG
	fi
}

# ends WHAT OPTION...: there is no cycle, so that what holds at the end is reached.
ends() {
	what=$1 CHECKS="-O1 -DNP -DCOLLAPSE -DNOFAIR"
	shift
	if verifier "$@" && ./pan -l -m20000 >pan.log 2>&1 && is_complete; then
		say "$what" ok
	else
		tail -n 30 pan.log >&2
		say "$what" WRONG
	fi
}

# breaks WHAT ASSERTION OPTION...: this one does not hold, and it is that assertion which says so.
breaks() {
	what=$1 assertion=$2 CHECKS="-DSAFETY -DCOLLAPSE -DNOFAIR"
	shift 2
	if verifier "$@" && ./pan -m10000 >pan.log 2>&1; grep -F 'assertion violated' pan.log | grep -qF "$assertion"; then
		say "found out: $what" ok
	else
		tail -n 30 pan.log >&2
		say "found out: $what" WRONG
	fi
}

holds "one shard, three events, a fault and a release" -DEVENTS=3 -DFAULTS=1 -DRELEASES=1
holds "one shard, two events, two faults" -DEVENTS=2 -DFAULTS=2 -DRELEASES=0
holds "two shards, a fault and a release" -DSHARDS=2 -DEVENTS=1 -DFAULTS=1 -DRELEASES=1
ends "every run ends" -DEVENTS=2 -DFAULTS=1 -DRELEASES=0
if [ "${1-}" = --deep ]; then
	holds "one shard, three events, two faults" -DEVENTS=3 -DFAULTS=2 -DRELEASES=0
	holds "one shard, three events, two faults and a release" -DEVENTS=3 -DFAULTS=2 -DRELEASES=1
	holds "one shard, two events, three faults" -DEVENTS=2 -DFAULTS=3 -DRELEASES=0
	holds "two shards, two faults" -DSHARDS=2 -DEVENTS=1 -DFAULTS=2 -DRELEASES=0
fi

breaks "events are appended without the lock" '&(1<<seq))==0' -DMUTATION=1
breaks "a checkpoint looks neither at owner nor epoch" '(stored[0]& ~(row[owner[0]]' -DMUTATION=2
breaks "a cursor is saved before the receiver's acknowledgement" '&committed)& ~(received' -DMUTATION=3
breaks "an owner acts under the epoch of the one before" 'acted[0].actor[epoch[0]]' -DMUTATION=4
breaks "the state is read before the epoch is taken" '(stored[0]& ~(row[owner[0]]' -DMUTATION=5
breaks "a checkpoint drops what was acquired since it was composed" 'row[owner[1]].has[1]' \
	-DSHARDS=2 -DEVENTS=2 -DFAULTS=1 -DMUTATION=6
breaks "an earlier checkpoint is carried out after a later one" '(stored[0]& ~(row[owner[0]]' -DMUTATION=7
breaks "memory is kept though another has owned the shard" '(stored[0]& ~(row[owner[0]]' -DMUTATION=8
exit $WRONG
