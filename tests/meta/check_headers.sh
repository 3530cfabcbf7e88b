#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every header compiles alone, whatever was included before it. Prints "PASSED FAILED", and what
# the compiler says to stderr.
set -eu

cd "$(dirname "$0")/../.."
FLAGS="-std=gnu11 -D_GNU_SOURCE -I. -Wall -Wextra -Wshadow -Wstrict-prototypes -Werror -fsyntax-only"
LIBRARIES="jansson libcrypto libssl libevent_core libcurl libpq
	hiredis cmocka libjwt"
passed=0
failed=0

# shellcheck disable=SC2086 # lists of words
FLAGS="$FLAGS $(pkg-config --cflags $LIBRARIES)"
for header in $(find lib hub receivers transmitters tests -name '*.h' | sort); do
	# shellcheck disable=SC2086
	if printf '#include "%s"\n' "$header" | ${CC:-gcc} $FLAGS -x c - >&2; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
	fi
done
echo "$passed $failed"
