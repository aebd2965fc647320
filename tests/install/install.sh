#!/bin/bash
# SPDX-License-Identifier: MIT
# install.sh BUILD LIBDIR VERSION GENERATOR: installs into a temporary prefix and uses what is there
# as a stranger would: a program built with find_package and with pkg-config, the command, and the
# Lua module in the stock interpreter. LIBDIR is relative to the prefix.
set -euo pipefail

build=$1
libdir=$2
version=$3
generator=$4 # the one that is there; CMake would look for make
consumer=$(cd "$(dirname "$0")/consumer" && pwd)
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
prefix=$scratch/prefix

fail() {
    printf 'FAILED: %s\n' "$*" >&2
    exit 1
}

# check NAME COMMAND...: runs it, and its output must say what the consumer prints.
check() {
    local name=$1 output
    shift
    output=$("$@" 2>&1) || fail "$name: $output"
    [[ $output == 'CB_EARG: '*'no such task'* ]] || fail "$name printed: $output"
    printf 'ok: %s\n' "$name"
}

cmake --install "$build" --prefix "$prefix" >"$scratch/log" || fail "install: $(cat "$scratch/log")"

if ! { cmake -G "$generator" -S "$consumer" -B "$scratch/build" -DCMAKE_PREFIX_PATH="$prefix" &&
    cmake --build "$scratch/build"; } >"$scratch/log" 2>&1; then
    fail "find_package: $(cat "$scratch/log")"
fi
check find_package "$scratch/build/consumer"

# A second copy of the prefix elsewhere: nothing in it may name the place it was made in.
mv "$prefix" "$scratch/moved"
prefix=$scratch/moved
export PKG_CONFIG_PATH=$prefix/$libdir/pkgconfig
[[ $(pkg-config --modversion cellbench) == "$version" ]] || fail 'pkg-config: the version differs'
# shellcheck disable=SC2046 # flags are several words
"${CC:-cc}" "$consumer/consumer.c" -o "$scratch/shared" $(pkg-config --cflags --libs cellbench)
check 'pkg-config, shared' env LD_LIBRARY_PATH="$prefix/$libdir" "$scratch/shared"
# shellcheck disable=SC2046
"${CC:-cc}" "$consumer/consumer.c" -o "$scratch/static" $(pkg-config --cflags cellbench) \
    "$prefix/$libdir/libcellbench.a" $(pkg-config --static --libs cellbench | sed 's/-lcellbench//')
check 'pkg-config, static' "$scratch/static"

output=$("$prefix/bin/cellbench" --version) || fail 'cellbench --version'
[[ $output == *"$version"* ]] || fail "cellbench --version printed: $output"
printf 'ok: cellbench --version\n'

# The library shows its public names and no other.
others=$(nm -D --defined-only "$prefix/$libdir/libcellbench.so" | awk '$3 !~ /^cb_/ { print $3 }')
[[ -z $others ]] || fail "libcellbench.so exports: $others"
printf 'ok: exported names\n'

# The extension shows its entry point, and works in the stock shell.
others=$(nm -D --defined-only "$prefix/$libdir/cellbench/cellbench_stats.so" | awk '{ print $3 }')
[[ $others == sqlite3_cellbenchstats_init ]] || fail "cellbench_stats.so exports: $others"
if command -v sqlite3 >/dev/null; then
    output=$(sqlite3 :memory: ".load $prefix/$libdir/cellbench/cellbench_stats" \
        'select median(column1) from (values (1), (2), (9))') || fail 'sqlite3 cannot load the extension'
    [[ $output == 2.0 ]] || fail "median in sqlite3: $output"
    printf 'ok: sqlite3\n'
fi

cd "$scratch"
LUA_CPATH="$prefix/$libdir/lua/5.4/?.so" lua5.4 -e 'assert(type(require "cellbench") == "table")' ||
    fail "lua5.4 cannot load the module"
printf 'ok: lua5.4\n'
