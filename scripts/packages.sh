#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian packages (12 or 13) that are missing; the one place that knows them.
#
#   sh scripts/packages.sh build    to build and run the hub and its receiver
#   sh scripts/packages.sh test     what tests need besides
#   sh scripts/packages.sh bench    to build and to measure (tests/bench)
#
# Does nothing, and needs no rights, when everything is there. Otherwise it uses sudo, unless it
# is run by root. No service that was not there before is left running, and PostgreSQL
# gets no cluster of its own: the hub only wants its programs.
set -eu

BUILD="build-essential cmake ninja-build pkg-config
	libcurl4-openssl-dev libevent-dev libhiredis-dev libjansson-dev libjwt-dev libpq-dev libssl-dev
	postgresql redis-server
	ca-certificates curl openssl python3"
TEST="clang libclang-rt-dev llvm libcmocka-dev util-linux
	python3-cryptography python3-jsonschema python3-jwcrypto python3-jwt python3-psycopg2 python3-pytest
	python3-pytest-xdist python3-redis python3-requests python3-authlib nodejs node-jose nginx-light prometheus spin"
BENCH="libcmocka-dev python3-cryptography python3-jsonschema python3-jwcrypto python3-psycopg2 python3-requests"

CLUSTER_CONF=/etc/postgresql-common/createcluster.conf
POLICY=/usr/sbin/policy-rc.d
MARK="# by ssfhub's scripts/packages.sh, for as long as it installs"

fail() {
	echo "packages: $*" >&2
	exit 1
}

is_installed() {
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

missing() {
	for package in "$@"; do
		is_installed "$package" || printf '%s ' "$package"
	done
}

are_known() {
	for package in "$@"; do
		apt-cache show --no-all-versions "$package" >/dev/null 2>&1 || return 1
	done
}

# --- as root ---------------------------------------------------------------------------------

apt_install() {
	DEBIAN_FRONTEND=noninteractive apt-get -y -q -o Dpkg::Use-Pty=0 \
		-o DPkg::Lock::Timeout=120 install --no-install-recommends "$@"
}

# Lists may be absent, or so old that their files are gone from the mirror.
apt_install_or_update() {
	if are_known "$@" && apt_install "$@"; then
		return
	fi
	apt-get -q -o Acquire::Retries=3 -o DPkg::Lock::Timeout=120 update
	apt_install "$@"
}

# Packages start their services when they are installed; asked for a policy, they do not.
forbid_services() {
	[ ! -e "$POLICY" ] || return 0
	printf '#!/bin/sh\n%s\nexit 101\n' "$MARK" >"$POLICY"
	chmod 755 "$POLICY"
}

forbid_cluster() {
	apt_install_or_update postgresql-common
	printf '%s\ncreate_main_cluster = false\n' "$MARK" >>"$CLUSTER_CONF"
}

# Undoes the two above, if it was we who did them.
allow_again() {
	if [ -e "$POLICY" ] && grep -qF "$MARK" "$POLICY"; then
		rm -f "$POLICY"
	fi
	if [ -e "$CLUSTER_CONF" ]; then
		sed -i "\\|^$MARK\$|,+1d" "$CLUSTER_CONF"
	fi
}

# An installed service would start with the machine.
disable() {
	if [ -d /run/systemd/system ]; then
		systemctl disable --now "$1" >/dev/null 2>&1 || true
	fi
}

install_packages() {
	services=
	trap allow_again EXIT
	trap 'exit 130' INT TERM HUP
	forbid_services
	for package in "$@"; do
		case $package in
		postgresql) forbid_cluster ;;
		redis-server | prometheus) services="$services $package" ;;
		esac
	done
	apt_install_or_update "$@"
	for service in $services; do
		disable "$service"
	done
}

# --- as anybody ------------------------------------------------------------------------------

install_as_root() {
	if [ "$(id -u)" = 0 ]; then
		sh "$0" install "$@"
	elif command -v sudo >/dev/null; then
		sudo sh "$0" install "$@"
	else
		fail "not root and there is no sudo; as root, run: apt-get install $*"
	fi
}

ensure() {
	command -v dpkg-query >/dev/null || fail "this is not Debian: install the equivalents of $*"
	absent=$(missing "$@")
	[ -n "$absent" ] || return 0
	echo "packages: installing $absent"
	# shellcheck disable=SC2086 # names have no blanks
	install_as_root $absent || fail "could not install $absent"
}

# shellcheck disable=SC2086
case ${1-} in
build) ensure $BUILD ;;
test) ensure $BUILD $TEST ;;
bench) ensure $BUILD $BENCH ;; # pgbench comes with postgresql
install)
	shift
	install_packages "$@"
	;;
*) fail "usage: sh scripts/packages.sh build|test|bench" ;;
esac
