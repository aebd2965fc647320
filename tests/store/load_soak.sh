#!/bin/sh
# SPDX-License-Identifier: MIT
# Many trials, many workers, many readers.
#
#   tests/store/load_soak.sh CELLBENCH [--trials N] [--few N] [--readers N] [--workers N] [--many N] [--jobs N]
#
# 1. A study of --trials (20000) of the smallest trials there are, with --jobs (2) workers, while
#    --readers (5) sqlite3 shells ask for counts all the time: no error on either side, nothing lost.
#    The coordinator's own memory (not the mapped index of the log, which readers may keep from being
#    begun anew) must be within 5 % of that for --few (1000) trials, all the while; what it sorts with
#    for a moment, when the list is complete, is told.
# 2. --many (2000) trials with --workers (64) workers: no error, the same bits as with one.
# It prints what a trial takes beyond its own computing, what `status` takes, and the file system they
# were measured on: TMPDIR says where. Times are told, not judged: they depend on what else runs.
trials=20000
few=1000
readers=5
workers=64
many=2000
jobs=2
options="trials few readers workers many jobs"
. "$(dirname "$0")/soak.sh"

# write_load FILE N: N trials of one update each.
write_load() {
    cat > "$1" <<END
local cb = require "cellbench"
return cb.study {
  name   = "load",
  task   = cb.task.adding { length = 2, train = 1, valid = 1, test = 1 },
  cells  = { "rnn" },
  hidden = 1,
  search = cb.random { trials = $2, seed = 1 },
  space  = { rate = cb.log_uniform(1e-3, 1e-1) },
  train  = { epochs = 1, batch = 1 },
  keep   = "none",
}
END
}

# run_load N JOBS DB: sets took_ms, and own_kb and peak_kb, the coordinator's own memory: the median of
# what was seen, and the most.
run_load() {
    write_load load.lua "$1"
    at=$(now_ms)
    "$cellbench" run load.lua --db "$3" --jobs "$2" --quiet 2> err &
    pid=$!
    : > seen
    while kill -0 "$pid" 2> /dev/null; do
        sed -n 's/^RssAnon:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$pid/status" >> seen 2> /dev/null
        sleep 0.05
    done
    wait "$pid" || fault "$1 trials: exit status $?: $(cat err)"
    took_ms=$(($(now_ms) - at))
    sort -n seen > seen_sorted
    own_kb=$(sed -n "$((($(wc -l < seen) + 1) / 2))p" seen_sorted)
    peak_kb=$(tail -n 1 seen_sorted)
    holds "$1 trials: finished" "$(sqlite3 "$3" "select count(*) from trial where state in ('done', 'diverged')")" "$1"
    holds "$1 trials: attempts" "$(sqlite3 "$3" "select count(*) from attempt")" "$1"
    is_whole "$3"
}

# Who reads when the run ends keeps the log alive; the next command finds it empty and removes it.
no_litter() {
    "$cellbench" run load.lua --db "$1" --quiet 2> err || fault "nothing left to do: $(cat err)"
    holds "$1: files left behind" "$(echo "$1"?*)" "$1?*"
}

# A reader asks until the file `stop` is there; what goes wrong is in its log.
reader() {
    asked=0
    while [ ! -e stop ]; do
        # A second of patience: at the moment of the end the shell finds the file locked.
        [ ! -s load.db ] || sqlite3 -readonly -cmd '.timeout 1000' load.db "select max(attempt_id) from attempt; select count(*) from trial
            where state = 'done'" > /dev/null 2>> "reader_$1"
        asked=$((asked + 1))
        sleep 0.2
    done
    echo "$asked" > "asked_$1"
}

run_load "$few" "$jobs" few.db
few_kb=$own_kb

for i in $(seq "$readers"); do reader "$i" & done
run_load "$trials" "$jobs" load.db
: > stop
wait
no_litter load.db
for i in $(seq "$readers"); do
    # Between the creation of the file and that of the tables there is nothing to ask for.
    grep -vE 'no such table|^$|error here' "reader_$i" > errors_now
    holds "reader $i: errors" "$(head -n 3 errors_now)" ''
done
# Of what a trial takes, its own computing is what its worker says it took.
own_us=$(sqlite3 load.db "select cast(1e6 * total(wall_seconds) / count(*) as integer) from attempt")
wall_us=$((took_ms * 1000 / trials))
asked=0
for i in $(seq "$readers"); do asked=$((asked + $(cat "asked_$i"))); done
echo "$trials trials, $jobs workers, $readers readers ($asked questions): $wall_us us a trial by the clock," \
    "of which $((own_us / jobs)) us computing; on $(stat -f -c %T .)"
echo "coordinator: $few_kb KB at $few trials, $own_kb KB at $trials (at most $peak_kb)"
if "$cellbench" --version | grep -q fsanitize=address; then
    echo "skipped: memory within 5 %: a sanitizer keeps what was freed"
else
    holds "memory within 5 %" "$((own_kb * 100 <= few_kb * 105))" 1
fi
at=$(now_ms)
"$cellbench" status load.db > /dev/null || fault "status: exit status $?"
echo "status: $(($(now_ms) - at)) ms; database: $(($(stat -c %s load.db) / 1024)) KB"

# ---- more workers than cores ----
run_load "$many" 1 calm.db
bits calm.db > calm.bits
run_load "$many" "$workers" many.db
bits many.db > many.bits
checks=$((checks + 1))
no_litter many.db
cmp -s calm.bits many.bits || fault "$workers workers: not the bits of one"
echo "$workers workers, $many trials: $((took_ms * 1000 / many)) us a trial"
finish
