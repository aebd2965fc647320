#!/bin/sh
# SPDX-License-Identifier: MIT
#
# For people: kills a study again and again, at random moments, and compares what is in the database
# in the end with an undisturbed run.
#
#   tests/store/kill_study.sh CELLBENCH STUDY.lua [KILLS [JOBS]]
#
# Each round starts `cellbench run` and, after up to two seconds, kills -9 the coordinator or one of
# its workers in turn. A study that is complete is compared and begun again. Needs sqlite3, ps
# (procps) and cmp. Works in a folder of its own under /tmp, which is left behind if the databases
# differ.
set -eu

if [ $# -lt 2 ]; then
    sed -n '3,12s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
cellbench=$1
study=$2
kills=${3:-20}
jobs=${4:-2}
folder=$(mktemp -d /tmp/kill_study.XXXXXX)

# All that is about accuracy, to the last bit.
dump() {
    sqlite3 "$1" "
        SELECT t.key, t.state, a.epochs, a.best_epoch, a.updates, printf('%!.17g', a.train),
               printf('%!.17g', a.valid), printf('%!.17g', a.test), e.epoch, e.split, e.metric,
               printf('%!.17g', e.value)
        FROM trial AS t JOIN attempt AS a ON a.attempt_id = t.result_attempt_id
        LEFT JOIN epoch AS e ON e.attempt_id = a.attempt_id
        ORDER BY t.key, e.epoch, e.split, e.metric"
}

# A number below $1, from the system's generator.
below() {
    echo $(($(od -An -N2 -tu2 /dev/urandom) % $1))
}

compare() {
    dump "$folder/killed.db" >"$folder/killed.txt"
    twice=$(sqlite3 "$folder/killed.db" "SELECT count(*) FROM (SELECT trial_id FROM attempt
        WHERE state IN ('done', 'diverged') GROUP BY trial_id HAVING count(*) > 1)")
    if [ "$twice" -ne 0 ] || ! cmp "$folder/killed.txt" "$folder/calm.txt"; then
        echo "the databases differ, or $twice trials were done twice: see $folder" >&2
        exit 1
    fi
    echo "complete, and the same $(wc -l <"$folder/calm.txt") rows"
}

# Trials that have no result yet.
left() {
    done=$(sqlite3 "$folder/killed.db" "SELECT count(*) FROM trial
        WHERE state NOT IN ('pending', 'running')" 2>/dev/null || echo 0)
    echo $((all - done))
}

"$cellbench" run "$study" --db "$folder/calm.db" --jobs "$jobs" --quiet
dump "$folder/calm.db" >"$folder/calm.txt"
all=$(sqlite3 "$folder/calm.db" "SELECT count(*) FROM trial")

round=0
while [ "$round" -lt "$kills" ]; do
    round=$((round + 1))
    "$cellbench" run "$study" --db "$folder/killed.db" --jobs "$jobs" --quiet &
    coordinator=$!
    sleep "$(printf '%d.%03d' "$(below 2)" "$(below 1000)")"
    victim=$coordinator
    if [ $((round % 2)) -eq 0 ]; then
        worker=$(ps -o pid= --ppid "$coordinator" | head -n 1 | tr -d ' ')
        victim=${worker:-$coordinator}
    fi
    kill -9 "$victim" 2>/dev/null || true
    # A coordinator that lost a worker goes on; it is left half a second, then killed as well.
    if [ "$victim" != "$coordinator" ]; then
        sleep 0.5
        kill -9 "$coordinator" 2>/dev/null || true
    fi
    wait "$coordinator" 2>/dev/null || true
    echo "round $round: $(left) left"
    if [ "$(left)" -eq 0 ]; then
        compare
        rm -rf "$folder"/killed.*
    fi
done

"$cellbench" run "$study" --db "$folder/killed.db" --jobs "$jobs" --quiet
compare
rm -r "$folder"
