#!/bin/sh
# SPDX-License-Identifier: MIT
#
# readme.sh CELLBENCH PAGE.md DATABASE...: does what a page of the manual says. Blocks marked
# ```lua file=NAME and ```text file=NAME become files; blocks marked ```sh tour run, one after
# another, in an empty folder, each with the exit status 0. The databases are what that must make.
set -eu
cellbench=$(realpath "$1")
page=$(realpath "$2")
name=$(basename "$page")
shift 2
command -v sqlite3 > /dev/null || { echo "skipped: the tour of $name needs sqlite3"; exit 77; }
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir bin
ln -s "$cellbench" bin/cellbench
PATH=$folder/bin:$PATH
export PATH

awk '
  /^```/ && open     { close(name); open = 0; next }
  /^```sh tour$/     { open = 1; blocks++; name = "tour." blocks; next }
  /^```.* file=/     { open = 1; name = $0; sub(/.* file=/, "", name); files++; next }
  /^```/             { open = 1; name = "/dev/null"; next }
  open               { print > name }
  END                { print blocks + 0, files + 0 > "found" }
' "$page"
read -r blocks files < found
[ "$blocks" -ge 4 ] && [ "$files" -ge 3 ] || { echo "$name: found $blocks blocks, $files files"; exit 1; }

i=1
while [ "$i" -le "$blocks" ]; do
    if ! sh -e "tour.$i" > "out.$i" 2>&1; then
        echo "$name: block $i failed:"; cat "tour.$i"; echo "--- it said:"; cat "out.$i"
        exit 1
    fi
    i=$((i + 1))
done

# What a tour promises: every trial finished, none of them twice.
for db; do
    left=$(sqlite3 -cmd ".timeout 5000" "$db" "select count(*) from trial where state not in ('done', 'diverged')")
    twice=$(sqlite3 -cmd ".timeout 5000" "$db" "select count(*) from (select trial_id from attempt
        where state in ('done', 'diverged') group by trial_id having count(*) > 1)")
    [ "$left $twice" = "0 0" ] || { echo "$db: $left trials not finished, $twice done twice"; exit 1; }
done
