#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs the packages that tests need, builds, runs the tests, and ends with "N passed, N failed".
#
#   sh tests/run.sh              everything
#   sh tests/run.sh NAME ...     parts, areas, files or single tests; builds only what they need
#   sh tests/run.sh --list       all names
#
# What a part printed is in build/test-logs; of one that failed, the end is shown.
set -u

cd "$(dirname "$0")/.." || exit 2
mkdir -p build/test-logs || exit 2
sh scripts/packages.sh test >build/test-logs/packages.log 2>&1 || {
	tail -n 30 build/test-logs/packages.log
	echo "run.sh: packages are missing" >&2
	exit 2
}
# Debian's own python3, by its path: that is where Debian's modules are
exec /usr/bin/python3 -B tests/runner "$@"
