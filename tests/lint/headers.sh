#!/usr/bin/env bash
# SPDX-License-Identifier: PostgreSQL
# headers - every header compiles alone, under the flags of the build.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 2

flags=(-std=c11 -D_GNU_SOURCE -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla
       -Wformat=2 -Wswitch-enum -Werror -I. -fsyntax-only)
read -ra more < <(pkg-config --cflags libpq openssl libconfig jansson libzstd)

# A file of its own that only includes the header: `#pragma once` in a main file is a warning.
alone() {
    echo "#include \"$1\"" | "${CC:-gcc}" "${flags[@]}" "${more[@]}" -x c - || { echo "$1 does not compile alone"; return 1; }
}

status=0
while read -r header; do
    alone "$header" || status=1
done < <(find gateway router conf backup tests -name '*.h' | sort)
exit $status
