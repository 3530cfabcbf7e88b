#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Do the project's two commands really work on a bare Debian? Makes one with debootstrap for each way
# to run them, and copies this tree into it:
#
#   sh tests/bare.sh bookworm|trixie [root|user|tests ...]
#
#   root, user    examples/quickstart.sh by root, or by a user with sudo, twice: the first run installs
#                 packages and builds, the second shows how long it takes from then on
#   tests         tests/run.sh by root; not done unless it is asked for
#
# Needs root, debootstrap, some 2 GB in BARE_DIR (/var/tmp/ssfhub-bare) and the network; MIRROR names
# a Debian mirror other than this machine's. Takes minutes, so tests/run.sh leaves it out.
# Everything runs in namespaces of its own: mounts and processes are gone when it ends.
set -eu

SUITE=${1-}
BARE_DIR=${BARE_DIR:-/var/tmp/ssfhub-bare}
TREE=$(cd "$(dirname "$0")/.." && pwd)
PLACE="/srv/ssf hub" # inside; blanks have to be coped with
FAILED=0

usage() {
	echo "usage: sh tests/bare.sh bookworm|trixie [root|user|tests ...]" >&2
	exit 2
}

mirror() {
	# shellcheck disable=SC2016 # apt's own variable
	apt-get indextargets --format '$(SITE)' | grep -m1 '/debian/*$' || echo http://deb.debian.org/debian
}

# One that is never changed, to be copied from.
make_base() {
	base=$BARE_DIR/$SUITE
	if [ ! -e "$base/.complete" ]; then
		echo "== debootstrap $SUITE (log: $BARE_DIR/$SUITE.log)"
		rm -rf "$base"
		mkdir -p "$BARE_DIR"
		debootstrap --variant=minbase "$SUITE" "$base" "${MIRROR:-$(mirror)}" \
			>"$BARE_DIR/$SUITE.log" 2>&1
		: >"$base/.complete"
	fi
}

# A new machine in $MACHINE with this tree in it.
make_machine() {
	MACHINE=$BARE_DIR/$SUITE-$1
	rm -rf "$MACHINE"
	cp -a "$BARE_DIR/$SUITE" "$MACHINE"
	cp -L /etc/resolv.conf "$MACHINE/etc/resolv.conf"
	mkdir -p "$MACHINE$PLACE"
	(cd "$TREE" && tar --exclude=./build --exclude=./.git -cf - .) | tar -C "$MACHINE$PLACE" -xf -
}

# inside COMMAND...: run by root in $MACHINE.
inside() {
	# shellcheck disable=SC2016 # meant for the inner shell
	unshare --mount --pid --fork --kill-child sh -c '
		root=$1
		shift
		mount -t proc proc "$root/proc"
		mount --rbind /dev "$root/dev"
		exec chroot "$root" env -u TMPDIR HOME=/root LC_ALL=C.UTF-8 \
			PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"' \
		sh "$MACHINE" "$@"
}

# What "a user with sudo" already has. The tree is theirs.
add_user() {
	# shellcheck disable=SC2016 # meant for the inner shell
	inside sh -c 'apt-get -qq update && apt-get -qq -y --no-install-recommends install sudo &&
		useradd -m -s /bin/bash dev && echo "dev ALL=(ALL) NOPASSWD: ALL" >/etc/sudoers.d/dev &&
		chown -R dev "$1" && rm -rf /var/lib/apt/lists/*' sh "$PLACE" >"$MACHINE.log" 2>&1
}

run_as() {
	case $1 in
	root) inside sh "$PLACE/examples/quickstart.sh" ;;
	user) inside su - dev -c "sh '$PLACE/examples/quickstart.sh'" ;;
	tests) inside sh "$PLACE/tests/run.sh" ;;
	esac
}

# check WHO WHICH
check() {
	log=$MACHINE-$2.log
	began=$(date +%s)
	if run_as "$1" >"$log" 2>&1; then
		echo "$SUITE $1 $2: $(tail -n 1 "$log") ($(($(date +%s) - began)) s in all)"
	else
		echo "$SUITE $1 $2: FAILED after $(($(date +%s) - began)) s; the end of $log:"
		tail -n 40 "$log"
		FAILED=1
	fi
}

# No service that the packages brought may run or have made anything.
check_services() {
	if inside sh -c 'ls /etc/postgresql/*/* /var/lib/postgresql/*/* /usr/sbin/policy-rc.d \
		/run/redis/redis-server.pid' 2>/dev/null | grep .; then
		echo "$SUITE $1: the packages' services left the above"
		FAILED=1
	fi
}

case $SUITE in
bookworm | trixie) shift ;;
*) usage ;;
esac
[ $# -gt 0 ] || set -- root user
for who in "$@"; do
	case $who in
	root | user | tests) ;;
	*) usage ;;
	esac
done
[ "$(id -u)" = 0 ] || { echo "bare.sh: must be run by root" >&2; exit 2; }
command -v debootstrap >/dev/null || { echo "bare.sh: debootstrap is not installed" >&2; exit 2; }

make_base
for who in "$@"; do
	make_machine "$who"
	[ "$who" != user ] || add_user
	check "$who" first
	[ "$who" = tests ] || check "$who" second
	check_services "$who"
	[ "$FAILED" = 1 ] || rm -rf "$MACHINE" "$MACHINE"-*.log "$MACHINE.log"
done
exit "$FAILED"
