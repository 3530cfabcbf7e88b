#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The long tests: the crash campaign (tests/e2e/processes/campaign.py) with the hub's own PostgreSQL, with one of
# somebody else's, and with two hubs of two processes; the model of cursors and leases with larger
# bounds; and receivers that misbehave for minutes.
#
#   sh tests/soak.sh [--rounds N] [--seed S] [--seconds T]
#
#     --rounds    of each campaign; 200 unless given
#     --seed      of all; a new one unless given. What fails says how to repeat it
#     --seconds   of misbehaving receivers; 300 unless given
#
# Takes an hour. With SSF_BUILD, the programs of that build; otherwise of build/asan, built here.
set -u

cd "$(dirname "$0")/.." || exit 2
export ASAN_OPTIONS="${ASAN_OPTIONS-detect_leaks=1:strict_string_checks=1}"
export UBSAN_OPTIONS="${UBSAN_OPTIONS-print_stacktrace=1}"
ROUNDS=200
SEED=$(od -An -N3 -tu4 /dev/urandom | tr -d ' ')
SECONDS_EACH=300

usage() {
	echo "usage: sh tests/soak.sh [--rounds N] [--seed S] [--seconds T]" >&2
	exit 2
}

while [ $# -gt 0 ]; do
	[ $# -ge 2 ] || usage
	case $1 in
	--rounds) ROUNDS=$2 ;;
	--seed) SEED=$2 ;;
	--seconds) SECONDS_EACH=$2 ;;
	*) usage ;;
	esac
	shift 2
done

if [ -z "${SSF_BUILD-}" ]; then
	sh scripts/packages.sh test || exit 2
	SSF_BUILD=$PWD/build/asan
	cmake -S . -B "$SSF_BUILD" -G Ninja -DCMAKE_C_COMPILER=clang -DSSF_TESTS=ON \
		-DSSF_SANITIZE=address,undefined >/dev/null && cmake --build "$SSF_BUILD" --target ssfhub || exit 2
fi
export SSF_BUILD
export SSF_TMP="${SSF_TMP-/var/tmp}" # on a disk, where fsync means something

FAILED=0
# sanitizers of older compilers cannot cope with many random bits of addresses
FIXED=
setarch -R true 2>/dev/null && FIXED="setarch -R"
campaign() {
	$FIXED /usr/bin/python3 -B tests/e2e/processes/campaign.py --rounds "$ROUNDS" --seed "$SEED" "$@" || FAILED=1
}
campaign
campaign --external
campaign --hubs 2 --processes 2
sh tests/model/check.sh --deep || FAILED=1
SSF_SOAK_SECONDS=$SECONDS_EACH $FIXED /usr/bin/python3 -B -m pytest tests/e2e/processes/test_soak.py -q \
	-p no:cacheprovider || FAILED=1
[ "$FAILED" = 0 ] && echo "soak: seed $SEED: all of it passed"
exit "$FAILED"
