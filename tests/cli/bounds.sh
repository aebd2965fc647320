#!/bin/sh
# SPDX-License-Identifier: MIT
# Options that bound a run, --hours and --memory, and limits of the shell; and what signals.sh has no
# terminal for: a pause where SIGTSTP does nothing by default, the same wish to stop delivered twice.
. "$(dirname "$0")/lib.sh"
command -v sqlite3 > /dev/null || { echo "skipped: reading every result needs sqlite3"; exit 77; }

# Long enough to be met at work: seconds, also where a sanitizer makes each of them twenty.
epochs=100 begun_ticks=20
if "$cellbench" --version | grep -q fsanitize; then
    epochs=20 begun_ticks=100
fi
cat > long.lua <<END
local cb = require "cellbench"
return cb.study {
  name  = "long",
  task  = cb.task.adding { length = 60, train = 400, valid = 40, test = 40 },
  cells = { "lstm" }, hidden = 32,
  train = { epochs = $epochs, batch = 10 },
  seeds = 2,
}
END
bits() {
    sqlite3 "$1" "select t.key, a.state, a.epochs, printf('%!.20g %!.20g', a.valid, a.test), e.epoch, e.split,
        printf('%!.20g', e.value) from trial t join attempt a on a.attempt_id = t.result_attempt_id
        join epoch e on e.attempt_id = a.attempt_id order by 1, 5, 6"
}
# state_of PID: R, S, T (stopped), ...
state_of() {
    sed -n 's/^State:[^A-Z]*\([A-Z]\).*/\1/p' "/proc/$1/status" 2> /dev/null
}
workers_of() {
    cat "/proc/$1/task/$1/children" 2> /dev/null
}
# at_work PID: how many workers of a run have begun: those that have computed for a while.
at_work() {
    for one in $(workers_of "$1"); do
        awk -v least="$begun_ticks" '{ sub(/.*\) /, ""); if ($12 + $13 >= least) print }' "/proc/$one/stat" 2> /dev/null
    done | wc -l
}
# begin ARGUMENT...: a run in the background that is at work on both trials when this returns.
begin() {
    "$cellbench" run long.lua "$@" > out 2> err &
    pid=$!
    tries=0
    while [ "$(at_work "$pid")" -lt 2 ] && kill -0 "$pid" 2> /dev/null && [ "$tries" -lt 3000 ]; do
        sleep 0.02
        tries=$((tries + 1))
    done
}
# until_state PID STATE: waits for at most 10 s.
until_state() {
    tries=0
    while [ "$(state_of "$1")" != "$2" ] && [ "$tries" -lt 500 ]; do
        sleep 0.02
        tries=$((tries + 1))
    done
    same "state of process $1" "$(state_of "$1")" "$2"
}

expect 0 run long.lua --db calm.db --jobs 2 --quiet
bits calm.db > calm.txt

# ---- pause ----
# In a session of its own nobody reads the terminal's signals: SIGTSTP would do nothing by default.
setsid "$cellbench" run long.lua --db paused.db --jobs 2 > out 2> err &
pid=$!
tries=0
while [ "$(workers_of "$pid" | wc -w)" -lt 2 ] && [ "$tries" -lt 500 ]; do
    sleep 0.02
    tries=$((tries + 1))
done
kill -TSTP "$pid"
until_state "$pid" T
for worker in $(workers_of "$pid"); do
    same "a worker of a paused run" "$(state_of "$worker")" T
done
# Others go on: one may write, and read that the run is paused.
sqlite3 paused.db "begin immediate; update study set script_path = 'elsewhere'; commit" || fault "the database is locked"
"$cellbench" status paused.db > seen 2>&1
says seen 'paused'
sleep 2
kill -CONT "$pid"
wait "$pid"
same "paused: exit status" "$?" 0
says err '^paused$' '^goes on$'
bits paused.db | cmp - calm.txt || fault "the bits of a run that was paused differ"

# ---- stop: twice within a moment is once ----
begin --db stopped.db --jobs 2
kill -INT "$pid" 2> /dev/null || true # ignored: begun with & by a script without job control
kill -TERM "$pid"
kill -TERM "$pid"
wait "$pid"
same "stopped: exit status" "$?" 130
says err '^stopping' '^stopped; 0 of 2 trials have an end; the same command goes on from here'
same "stopped: attempts" "$(sqlite3 stopped.db "select count(*) from attempt where state = 'returned'")" 2
same "stopped: checkpoints" "$(find stopped.checkpoints -type f | wc -l)" 2
expect 0 run long.lua --db stopped.db --jobs 2
bits stopped.db | cmp - calm.txt || fault "the bits of a run that was stopped differ"
[ ! -e stopped.checkpoints ] || fault "the folder of checkpoints is left"

# ---- stop at once ----
begin --db killed.db --jobs 2
# shellcheck disable=SC2046 # several numbers
kill -STOP $(workers_of "$pid") # so that they do not answer the first wish
kill -TERM "$pid"
sleep 0.5
kill -TERM "$pid"
wait "$pid"
same "stopped at once: exit status" "$?" 143
expect 0 run long.lua --db killed.db --jobs 2
bits killed.db | cmp - calm.txt || fault "the bits of a run that was stopped at once differ"

# ---- so long and no longer ----
expect 130 run long.lua --db hours.db --jobs 2 --hours 0.00005
says err '^the time is over; 0 of 2 trials have an end; the same command goes on'
expect 0 run long.lua --db hours.db --jobs 2 --hours 1
bits hours.db | cmp - calm.txt || fault "the bits of a run with --hours differ"

# ---- memory ----
expect 1 run long.lua --db small.db --memory 10M
says err 'it would take about [0-9]* MB of memory; this run may use 10 MB' '^cellbench: 2 trials failed'
expect 0 run long.lua --db small.db --memory 2G
says err '2 trials that failed by fault of the machine are tried again'
for wrong in '--memory 10' '--memory M' '--memory -1G' '--hours x' '--hours -1' '--checkpoint nan' '--hang 1e999'; do
    # shellcheck disable=SC2086 # an option and its value
    expect 2 run long.lua --db small.db $wrong
done

# ---- limits of the shell ----
cat > limited <<'END'
ulimit -n 40
exec "$@"
END
cellbench_alone=$cellbench
cellbench=./limited_command
printf '#!/bin/sh\nexec sh "%s/limited" "%s" "$@"\n' "$PWD" "$cellbench_alone" > limited_command
chmod +x limited_command
expect 1 run long.lua --db few.db --jobs 64
says err 'the limit of open files (ulimit -n) is 40: it is enough for [0-9]* jobs, not for 64'
finish
