#!/bin/sh
# SPDX-License-Identifier: MIT
# A run as its users treat it: paused and continued, stopped by Ctrl-C once and twice, killed. Each
# time the same command goes on, and in the end every number is that of a run that nobody touched.
# A terminal, for Ctrl-C, is made by script(1).
. "$(dirname "$0")/lib.sh"
command -v sqlite3 > /dev/null || { echo "skipped: needs sqlite3"; exit 77; }

cat > study.lua <<'EOF'
local cb = require "cellbench"
return cb.study {
  name  = "signals",
  task  = cb.task.adding { length = 40, train = 400, valid = 100, test = 100 },
  cells = { "rnn", "gru" },
  space = { rate = cb.choice { 0.001, 0.01 } }, hidden = 16, seeds = 2,
  train = { epochs = 30, batch = 20 },
}
EOF

numbers() {
    sqlite3 "$1" "select t.key, a.state, a.epochs, a.best_epoch, a.updates, a.train, a.valid, a.test
        from trial t join attempt a on a.attempt_id = t.result_attempt_id order by 1;
        select t.key, e.epoch, e.split, e.metric, e.value from trial t
        join epoch e on e.attempt_id = t.result_attempt_id order by 1, 2, 3, 4"
}

# ours: processes of this program that work in this folder.
ours() {
    for process in /proc/[0-9]*; do
        [ "$(readlink "$process/exe")" = "$cellbench" ] &&
            [ "$(readlink "$process/cwd")" = "$(pwd -P)" ] && echo "${process#/proc/}"
    done 2> /dev/null
}

# settled DB WHAT: nothing is left behind, and going on gives the numbers of the undisturbed run.
settled() {
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        [ -z "$(ours)" ] && break
        sleep 0.2
    done
    same "$2: processes left" "$(ours)" ''
    expect 0 run study.lua --db "$1" --jobs 2 --quiet
    numbers "$1" > "$1.numbers"
    count=$((count + 1))
    cmp -s "$1.numbers" whole.numbers || fault "$2: the numbers are not those of a run in one go"
    same "$2: trials" "$(sqlite3 "$1" 'select count(*), count(distinct key) from trial')" '8|8'
    for file in "$1-wal" "$1-shm" "$1.lock" "${1%.db}.checkpoints"; do
        [ -e "$file" ] && fault "$2: $file was left behind"
    done
}

finished() {
    sqlite3 -readonly -cmd '.timeout 5000' "$1" \
        "select count(*) from trial where state = 'done'" 2> /dev/null || echo 0
}

# begun DB: waits until a trial is done.
begun() {
    for _ in $(seq 600); do
        [ -e "$1" ] && [ "$(finished "$1")" -ge 1 ] && return
        sleep 0.05
    done
    fault "$1: no trial is done after half a minute"
}

expect 0 run study.lua --db whole.db --jobs 2 --quiet
numbers whole.db > whole.numbers
same "rows" "$(wc -l < whole.numbers | awk '{ print ($1 > 400) }')" 1

# ---- paused, looked at, continued ----
"$cellbench" run study.lua --db pause.db --jobs 2 --quiet &
runner=$!
begun pause.db
kill -TSTP "$runner"
for _ in $(seq 100); do
    case $(sed 's/.*) //; s/ .*//' "/proc/$runner/stat") in T) break ;; esac
    sleep 0.05
done
for process in $(ours); do
    same "paused: state of process $process" "$(sed 's/.*) //; s/ .*//' "/proc/$process/stat")" T
done
before=$(finished pause.db)
timeout -s INT 2 "$cellbench" status pause.db --live > paused.out
says paused.out "run 1 paused"
expect 0 status pause.db --runs
says out ' paused '
sleep 0.5
same "paused: trials done" "$(finished pause.db)" "$before"
kill -CONT "$runner"
wait "$runner"
same "continued: exit status" $? 0
settled pause.db "paused and continued"

# ---- Ctrl-C on a terminal, once and twice ----
interrupted() { # DB KEYS
    (begun "$1" > begun.out; printf '%b' "$2"; sleep 0.4; printf '%b' "$3"; sleep 1) |
        TERM=xterm script -qec "exec '$cellbench' run study.lua --db $1 --jobs 2" /dev/null > "$1.out"
    same "Ctrl-C: exit status" $? 130
    cat begun.out
}
interrupted once.db '\003' ''
says once.db.out 'stopped; [0-9]* of 8 trials have an end; the same command goes on from here'
settled once.db "Ctrl-C"
interrupted twice.db '\003' '\003'
settled twice.db "Ctrl-C twice"

# ---- told to stop while paused; killed while paused; killed ----
"$cellbench" run study.lua --db both.db --jobs 2 --quiet 2> /dev/null &
runner=$!
begun both.db
kill -TSTP "$runner"
sleep 0.5
kill -TERM "$runner"
kill -CONT "$runner"
wait "$runner"
same "stopped while paused: exit status" $? 130
settled both.db "stopped while paused"
for signals in "TSTP KILL" "KILL"; do
    rm -f kill.db
    "$cellbench" run study.lua --db kill.db --jobs 2 --quiet 2> /dev/null &
    runner=$!
    begun kill.db
    for signal in $signals; do
        kill -s "$signal" "$runner"
        sleep 0.3
    done
    wait "$runner" 2> /dev/null
    same "killed: exit status" $? 137
    expect 0 status kill.db --runs
    says out ' dead '
    settled kill.db "$signals"
done
finish
