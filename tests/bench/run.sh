#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds the hub as users do (gcc -O2, no sanitizers), and measures it: docs/performance.md.
#
#   sh tests/bench/run.sh                 every figure of docs/performance.md
#   sh tests/bench/run.sh --quick         under 90 s: shorter, and without scale_events and failover_s
#   sh tests/bench/run.sh --only NAME     one figure; may be given several times
#   --profile FILE                        perf record of the hub while a figure is measured (with --only)
#
# Prints "name value unit" a figure, and writes build/bench.json. Exits with 1 when something could
# not be measured; that a goal is missed is said, and is no failure. Nothing else should run meanwhile.
set -eu

cd "$(dirname "$0")/../.."
BUILD=build/bench
LOG=build/bench-build.log

mkdir -p build
sh scripts/packages.sh bench >"$LOG" 2>&1 || {
	tail -n 30 "$LOG"
	echo "run.sh: packages are missing" >&2
	exit 2
}
LAUNCHER=$(command -v ccache || true)
if ! cmake -S . -B $BUILD -G Ninja -DCMAKE_C_COMPILER=gcc -DCMAKE_BUILD_TYPE=RelWithDebInfo \
	-DSSF_TESTS=ON -DSSF_SANITIZE= -DCMAKE_C_COMPILER_LAUNCHER="$LAUNCHER" >>"$LOG" 2>&1 ||
	! cmake --build $BUILD --target ssfhub bench-tools >>"$LOG" 2>&1; then
	tail -n 30 "$LOG"
	echo "run.sh: it does not build" >&2
	exit 2
fi
# Debian's own python3: that is where Debian's modules are
SSF_BUILD=$PWD/$BUILD exec /usr/bin/python3 -B tests/bench/bench.py "$@"
