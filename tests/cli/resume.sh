#!/bin/sh
# SPDX-License-Identifier: MIT
# A study of more than 100 trials: the coordinator is killed, then a worker, then Ctrl-C comes; each
# time the same command goes on. Nothing is lost, nothing is done twice, and every result has the
# bits of an undisturbed run with another number of jobs.
. "$(dirname "$0")/lib.sh"
command -v sqlite3 > /dev/null || { echo "skipped: reading every result needs sqlite3"; exit 77; }

cat > many.lua <<'EOF'
local cb = require "cellbench"
return cb.study {
  name   = "many",
  task   = cb.task.adding { length = 30, train = 200, valid = 40, test = 40 },
  cells  = { "rnn", "lstm", "gru" },
  search = cb.random { trials = 12, seed = 3 },
  space  = { hidden = cb.log_int(4, 24), rate = cb.log_uniform(1e-3, 1e-1) },
  train  = { epochs = 5, batch = 10, clip = 1 },
  seeds  = 3,
}
EOF
bits() { # every result and every learning curve, all digits
    sqlite3 "$1" "select t.key, a.state, a.best_epoch, printf('%!.20g %!.20g %!.20g', a.train, a.valid, a.test)
        from trial t join attempt a on a.attempt_id = t.result_attempt_id order by t.key;
        select t.key, e.epoch, e.split, e.metric, printf('%!.20g', e.value)
        from trial t join epoch e on e.attempt_id = t.result_attempt_id order by 1, 2, 3, 4"
}
finished() {
    sqlite3 "$1" "select count(*) from trial where state = 'done'" 2> /dev/null || echo 0
}
# until_finished DB N: waits until at least N of its trials are finished, or the run is over.
until_finished() {
    tries=0
    while [ "$(finished "$1")" -lt "$2" ] && [ "$tries" -lt 300 ] && kill -0 "$pid" 2> /dev/null; do
        sleep 0.02
        tries=$((tries + 1))
    done
}

# kill_worker PID: kills a worker of that coordinator, waiting for one if there is none yet.
kill_worker() {
    tries=0
    worker=
    while [ -z "$worker" ] && [ "$tries" -lt 300 ] && kill -0 "$1" 2> /dev/null; do
        worker=$(grep -l "^PPid:[[:space:]]*$1\$" /proc/[0-9]*/status 2> /dev/null | head -n 1 | cut -d / -f 3)
        [ -n "$worker" ] || sleep 0.02
        tries=$((tries + 1))
    done
    if [ -n "$worker" ]; then
        kill -9 "$worker"
    else
        fault "no worker to kill"
    fi
}

expect 0 run many.lua --db whole.db --jobs 2
same "undisturbed: finished" "$(finished whole.db)" 108

"$cellbench" run many.lua --db cut.db --jobs 2 > out 2> err &
pid=$!
until_finished cut.db 10
kill -9 "$pid"
wait "$pid" 2> /dev/null
first=$(finished cut.db)
[ "$first" -lt 108 ] || fault "the coordinator was killed too late for this test to show anything"

"$cellbench" run many.lua --db cut.db --jobs 2 > out 2> err &
pid=$!
until_finished cut.db $((first + 10))
kill_worker "$pid"
wait "$pid"
same "a worker was killed: exit status" "$?" 0
same "after a worker was killed" "$(finished cut.db)" 108

same "done twice" "$(sqlite3 cut.db "select count(*) from (select trial_id from attempt
    where state in ('done', 'diverged') group by trial_id having count(*) > 1)")" 0
bits whole.db > whole.txt
bits cut.db > cut.txt
same "results and curves" "$(wc -l < whole.txt)" "$(wc -l < cut.txt)"
cmp whole.txt cut.txt || fault "the bits differ from those of an undisturbed run"

# ---- Ctrl-C, then the other number of jobs ----
"$cellbench" run many.lua --db stopped.db --jobs 2 > out 2> err &
pid=$!
until_finished stopped.db 5
kill -TERM "$pid"
wait "$pid"
same "stopped: exit status" "$?" 130
says err 'goes on'
same "stopped: nothing is left running" \
    "$(sqlite3 stopped.db "select count(*) from trial where state = 'running'")" 0
expect 0 run many.lua --db stopped.db --jobs 1 --quiet
bits stopped.db > stopped.txt
cmp whole.txt stopped.txt || fault "the bits differ with --jobs 1"

# ---- a trial whose workers are killed has failed, but only for this run; the others go on ----
cat > long.lua <<'EOF'
local cb = require "cellbench"
return cb.study {
  name  = "long",
  task  = cb.task.adding { length = 60, train = 400, valid = 40, test = 40 },
  cells = { "lstm" }, hidden = 32,
  train = { epochs = 60, batch = 10 },
  seeds = 2,
}
EOF
"$cellbench" run long.lua --db long.db --jobs 1 > out 2> err &
pid=$!
kills=0
until grep -q ' failed: ' err || [ "$kills" -eq 8 ]; do
    sleep 0.3 # a worker that dies before it has a trial costs no trial anything
    kill_worker "$pid"
    sleep 0.1
    kills=$((kills + 1))
done
wait "$pid"
same "a failed trial: exit status" "$?" 1
says err 'killed by signal 9' '^cellbench: 1 trial failed'
same "a failed trial: the rest" "$(finished long.db)" 1
expect 0 run long.lua --db long.db --jobs 1
says err '1 trial that failed by fault of the machine is tried again'
same "retried" "$(finished long.db)" 2
finish
