#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs what tests need, builds, runs everything, and ends with "N passed, N failed".
#
#   sh tests/run.sh             all parts
#   sh tests/run.sh PART ...    some of them:
#
#     tree         every header compiles alone; the tree keeps its own rules (tests/meta)
#     model        Spin: the protocol of cursors and leases (tests/model)
#     unit         gcc: builds without warnings; unit tests, fuzz targets over their corpora
#     asan         clang, AddressSanitizer and UBSan: the same
#     tsan         clang, ThreadSanitizer: the job pool, where the threads are, and who uses it
#     e2e          pytest over the programs of the asan build
#     quickstart   examples/quickstart.sh, as root (if we are) and as an ordinary user
#
# N counts test cases: cmocka's, pytest's, and one for each other check. What a part printed is in
# build/test-logs; of one that failed, the end is shown.
set -u

cd "$(dirname "$0")/.." || exit 2
LOGS=build/test-logs
JOBS=$(nproc)
TOTAL_PASSED=0
TOTAL_FAILED=0

export ASAN_OPTIONS="${ASAN_OPTIONS-detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1}"
export UBSAN_OPTIONS="${UBSAN_OPTIONS-print_stacktrace=1}"

# --- building blocks -------------------------------------------------------------------------

# report PASSED FAILED WHAT LOG: one line, and the end of the log of what failed.
report() {
	TOTAL_PASSED=$((TOTAL_PASSED + $1))
	TOTAL_FAILED=$((TOTAL_FAILED + $2))
	printf '%-64s %4d passed, %d failed  (%d s)\n' "$3" "$1" "$2" $(($(date +%s) - STARTED))
	STARTED=$(date +%s)
	[ "$2" = 0 ] || sed 's/^/    /' "$4" | tail -n 60
}

# counted WHAT LOG COMMAND...: COMMAND prints "PASSED FAILED", or it is one failure.
counted() {
	what=$1 log=$2
	shift 2
	if counts=$("$@" 2>>"$log"); then
		report "${counts% *}" "${counts#* }" "$what" "$log"
	else
		report 0 1 "$what" "$log"
	fi
}

# Sanitizers of older compilers cannot cope with more random bits of addresses than this.
fixed_addresses() {
	bits=$(cat /proc/sys/vm/mmap_rnd_bits 2>/dev/null || echo 0)
	if [ "$bits" -gt 28 ] && setarch -R true 2>/dev/null; then
		setarch -R "$@"
	else
		"$@"
	fi
}

# configure NAME COMPILER [OPTION...]
configure() {
	name=$1 compiler=$2
	shift 2
	if command -v ccache >/dev/null; then
		set -- -DCMAKE_C_COMPILER_LAUNCHER=ccache "$@"
	fi
	cmake -S . -B "build/$name" -G Ninja -DCMAKE_C_COMPILER="$compiler" -DSSF_TESTS=ON "$@"
}

# build NAME COMPILER TARGETS [OPTION...]: the whole part fails if it does not build.
build() {
	name=$1 compiler=$2 targets=$3
	shift 3
	log=$LOGS/$name-build.log
	# shellcheck disable=SC2086 # names have no blanks
	if configure "$name" "$compiler" "$@" >"$log" 2>&1 &&
		cmake --build "build/$name" --target $targets >>"$log" 2>&1; then
		report 1 0 "$name: builds with $compiler -Werror" "$log"
	else
		report 0 1 "$name: builds with $compiler -Werror" "$log"
		return 1
	fi
}

# Two parts need it, whichever comes first.
build_asan() {
	[ "$ASAN_BUILT" = no ] || return 0
	build asan clang all -DSSF_SANITIZE=address,undefined && ASAN_BUILT=yes
}

# run_ctest NAME WHAT [OPTION...]
run_ctest() {
	name=$1 what=$2
	shift 2
	log=$LOGS/$name.log xml=$PWD/$LOGS/$name.xml
	rm -f "$xml"
	fixed_addresses ctest --test-dir "build/$name" -j "$JOBS" --timeout 300 --no-tests=error \
		--output-on-failure --output-junit "$xml" --test-output-size-passed 1000000 \
		--test-output-size-failed 1000000 "$@" >"$log" 2>&1
	counted "$what" "$log" python3 tests/count.py "$xml"
}

# --- parts -----------------------------------------------------------------------------------

# lines COMMAND...: prints "PASSED FAILED" of what it says, a line a rule; without a line it has crashed.
lines() {
	rules=$("$@") || true
	printf '%s\n' "$rules" >&2
	kept=$(printf '%s\n' "$rules" | grep -c ': ok$')
	broken=$(printf '%s\n' "$rules" | grep -c ': WRONG$')
	[ $((kept + broken)) -gt 0 ] && echo "$kept $broken"
}

part_tree() {
	: >$LOGS/headers.log
	counted "tree: headers compile alone" $LOGS/headers.log sh tests/meta/check_headers.sh
	: >$LOGS/tree.log
	counted "tree: layers, documents, what is banned" $LOGS/tree.log \
		lines python3 -B tests/meta/check_tree.py
}

part_model() {
	: >$LOGS/model.log
	counted "model: cursors and leases, and what would break them" $LOGS/model.log \
		lines sh tests/model/check.sh
}

part_unit() {
	build dev gcc all && run_ctest dev "unit: unit tests, fuzz corpora"
}

part_asan() {
	build_asan && run_ctest asan "asan: the same with ASan, UBSan, LSan"
}

# The pool; making keys, resolving names and signing in it.
part_tsan() {
	build tsan clang "test_pool test_keygen test_put test_ring" -DSSF_SANITIZE=thread &&
		run_ctest tsan "tsan: the job pool and its users with TSan" -R '^unit\.test_(pool|keygen|put|ring)$'
}

part_e2e() {
	build_asan || return
	log=$LOGS/e2e.log
	rm -f $LOGS/e2e.xml
	# Debian's own python3: that is where Debian's modules are. Tests wait more than they compute.
	fixed_addresses env SSF_BUILD="$PWD/build/asan" timeout -k 10 1800 \
		/usr/bin/python3 -B -m pytest tests/e2e -q -p no:cacheprovider \
		-n $((3 * JOBS)) --dist loadfile --durations=20 --junitxml=$LOGS/e2e.xml >"$log" 2>&1
	counted "e2e: real programs, real PostgreSQL, real Redis" "$log" \
		python3 tests/count.py $LOGS/e2e.xml
}

# check_quickstart WHAT LOG COMMAND...
check_quickstart() {
	what=$1 log=$2
	shift 2
	if timeout -k 30 300 "$@" >"$log" 2>&1 &&
		tail -n 1 "$log" | grep -qE '^leaked secret -> cache purged in [0-9]+ ms$'; then
		report 1 0 "$what: $(tail -n 1 "$log" | sed 's/.* in //')" "$log"
	else
		report 0 1 "$what" "$log"
	fi
}

# In a folder of the user's own, with nothing of ours in the environment.
quickstart_as_nobody() {
	home=$(mktemp -d "${TMPDIR:-/tmp}/ssfhub-nobody.XXXXXX") || return
	chown nobody "$home"
	if su -s /bin/sh nobody -c "test -r '$PWD/CMakeLists.txt'"; then
		check_quickstart "quickstart: as an ordinary user" $LOGS/quickstart-user.log \
			su -s /bin/sh nobody -c "HOME='$home' exec sh '$PWD/examples/quickstart.sh'"
	else
		echo "quickstart: not run as an ordinary user, who may not read $PWD"
	fi
	rm -rf "$home"
}

part_quickstart() {
	if [ "$(id -u)" = 0 ]; then
		check_quickstart "quickstart: as root" $LOGS/quickstart.log sh examples/quickstart.sh
		quickstart_as_nobody
	else
		check_quickstart "quickstart" $LOGS/quickstart.log sh examples/quickstart.sh
	fi
}

# --- all -------------------------------------------------------------------------------------

[ $# -gt 0 ] || set -- tree model unit asan tsan e2e quickstart
for part in "$@"; do
	case $part in
	tree | model | unit | asan | tsan | e2e | quickstart) ;;
	*)
		echo "usage: sh tests/run.sh [tree|model|unit|asan|tsan|e2e|quickstart ...]" >&2
		exit 2
		;;
	esac
done

BEGAN=$(date +%s)
ASAN_BUILT=no
mkdir -p $LOGS || exit 2
sh scripts/packages.sh test >$LOGS/packages.log 2>&1 || {
	tail -n 30 $LOGS/packages.log
	echo "run.sh: packages are missing" >&2
	exit 2
}
STARTED=$(date +%s)
for part in "$@"; do
	"part_$part"
done
echo "all of it took $(($(date +%s) - BEGAN)) s on $JOBS cores; logs are in $LOGS"
echo "$TOTAL_PASSED passed, $TOTAL_FAILED failed"
[ "$TOTAL_FAILED" = 0 ] && [ "$TOTAL_PASSED" -gt 0 ]
