#!/bin/bash
# SPDX-License-Identifier: MIT
# scripts.sh ROOT: what scripts/lib.sh does to a machine, with stand-ins for dpkg-query, apt-get,
# sudo, id and cmake that write down how they were called. Nothing is installed. Then, that each
# find module names a package of the script's list where it finds nothing.
# shellcheck disable=SC2016,SC2317 # stand-ins expand later; checks are called by name
set -euo pipefail

root=$1
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
bin=$scratch/bin
calls=$scratch/calls
failures=0

# stand_in NAME BODY: a command that records its arguments and then does BODY.
stand_in() {
    printf '#!/bin/bash\necho "%s $*" >>"%s"\n%s\n' "$1" "$calls" "${2-}" >"$bin/$1"
    chmod +x "$bin/$1"
}

# A machine with every package, run by root.
fresh_machine() {
    rm -rf "$bin"
    mkdir -p "$bin"
    : >"$calls"
    local tool
    for tool in bash cat env grep mkdir rm; do
        ln -s "$(command -v "$tool")" "$bin/$tool"
    done
    stand_in dpkg-query 'for p in "${@:4}"; do echo "$p installed"; done'
    stand_in apt-get
    stand_in apt-cache
    stand_in cmake
    stand_in nproc 'echo 3'
    stand_in id 'echo 0'
}

# in_lib COMMAND...: with lib.sh loaded, on that machine; output and exit code are kept.
in_lib() {
    code=0
    output=$(cd "$scratch" && PATH=$bin bash -euo pipefail -c '. "$0/scripts/lib.sh"; "$@"' \
        "$root" "$@" 2>&1) || code=$?
}

expect() {
    local what=$1
    shift
    if ! "$@"; then
        printf 'FAILED: %s\n  exit code %s, output: %s\n  calls:\n%s\n' \
            "$what" "$code" "$output" "$(cat "$calls")"
        failures=$((failures + 1))
    fi
}

called() { grep -q -- "$1" "$calls"; }
not_called() { ! called "$1"; }
says() { [[ $output == *"$1"* ]]; }

missing_one='for p in "${@:4}"; do [[ $p == lua5.4 ]] || echo "$p installed"; done; exit 1'

fresh_machine
in_lib install_missing
expect 'nothing missing: nothing done' [ "$code/$output" = 0/ ]
expect 'nothing missing: no apt' not_called 'apt-get'

fresh_machine
stand_in dpkg-query "$missing_one"
in_lib install_missing
expect 'one missing: success' [ "$code" -eq 0 ]
expect 'one missing: it alone is installed' called 'apt-get -q install -y --no-install-recommends lua5.4$'
expect 'one missing: lists that know it are not fetched' not_called update

fresh_machine
stand_in dpkg-query 'for p in "${@:4}"; do echo "$p not-installed"; done'
in_lib install_missing
expect 'removed packages are missing' called 'install.* cmake .*libblis-dev'

fresh_machine
stand_in dpkg-query "$missing_one"
stand_in apt-cache 'exit 100'
in_lib install_missing
expect 'unknown to apt: the lists are fetched first' called 'apt-get -q update'
expect 'unknown to apt: then installed' [ "$(grep -c 'apt-get -q install' "$calls")" -eq 1 ]

fresh_machine
stand_in dpkg-query "$missing_one"
stand_in apt-get '[[ $* == *update* ]] || exit 100'
in_lib install_missing
expect 'not installable: tried again with new lists' [ "$(grep -c 'apt-get -q install' "$calls")" -eq 2 ]
expect 'not installable: says what' says 'could not install: lua5.4'
expect 'not installable: fails' [ "$code" -ne 0 ]

fresh_machine
stand_in dpkg-query "$missing_one"
stand_in id 'echo 1000'
in_lib install_missing
expect 'no root, no sudo: fails' [ "$code" -ne 0 ]
expect 'no root, no sudo: says what to run' says 'apt-get install -y lua5.4'
expect 'no root, no sudo: does not try' not_called 'apt-get'
stand_in sudo '"$@"'
in_lib install_missing
expect 'no root, sudo: installs' called 'sudo env DEBIAN_FRONTEND=noninteractive apt-get -q install'

fresh_machine
rm "$bin/apt-get" "$bin/dpkg-query"
in_lib install_missing
expect 'no apt: goes on' [ "$code" -eq 0 ]
expect 'no apt: says so, and what is needed' says 'no apt here'
expect 'no apt: names the packages' says 'libblis-dev'
rm "$bin/cmake"
in_lib install_missing
expect 'no apt, no cmake: fails' [ "$code" -ne 0 ]
expect 'no apt, no cmake: says so' says 'cmake is missing'

fresh_machine
stand_in ninja
in_lib build all
expect 'first build: configures with Ninja' called 'cmake --preset release -G Ninja'
expect 'first build: builds in parallel' called 'cmake --build build/release --parallel 3 --target all'
: >"$calls"
mkdir -p "$scratch/build/release"
: >"$scratch/build/release/build.ninja"
in_lib build all
expect 'second build: does not configure' not_called preset
rm -rf "$scratch/build"

fresh_machine
stand_in cmake 'echo "apt install libblis-dev"; exit 1'
in_lib build all
expect 'no ninja: Makefiles' called '-G Unix Makefiles'
expect 'configuring fails: shows why' says 'apt install libblis-dev'
expect 'configuring fails: does not build' not_called '--build'
expect 'configuring fails: fails' [ "$code" -ne 0 ]

find_package_message() {
    # Only an empty folder is searched. The message is wrapped, so lines are joined.
    output=$(cmake -DCMAKE_MODULE_PATH="$root/scripts/cmake" -DCMAKE_PREFIX_PATH="$scratch" \
        -DCMAKE_IGNORE_PREFIX_PATH="/;/usr;/usr/local" -DNAME="$1" -P "$scratch/find.cmake" 2>&1 |
        tr -s '\n ' ' ') || code=$?
}

code=0
printf 'find_package(${NAME} REQUIRED)\n' >"$scratch/find.cmake"
listed=$(. "$root/scripts/lib.sh" && echo "${packages[*]}")
for module in "$root"/scripts/cmake/Find*.cmake; do
    name=$(basename "$module" .cmake)
    find_package_message "${name#Find}"
    package=${output##*apt install }
    package=${package%% *}
    expect "$name names a package of scripts/lib.sh" [ "${output/apt install/}" != "$output" ]
    [[ " $listed " == *" $package "* ]] || expect "$name: $package is in scripts/lib.sh" false
done

[[ $failures -eq 0 ]] && printf 'ok\n'
exit "$((failures > 0))"
