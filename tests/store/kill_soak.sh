#!/bin/sh
# SPDX-License-Identifier: MIT
# Kills the runs of a study again and again, each time followed by the same command, and looks
# whether anything is lost, done twice, or left behind.
#
#   tests/store/kill_soak.sh CELLBENCH [--trials N] [--epochs N] [--kills N] [--runs N] [--jobs N] [--seed N]
#
# As many kills as --kills (40) says hit runs of a study of --trials (300) trials, --runs (1) of
# which work on the one database at any time, with --jobs (2) workers each. What dies (kill -9) and
# when is drawn from the seed, which is printed:
#   coordinator   in its first 300 ms: schema, registration, first claims; or at any later moment
#   worker        at any moment; its coordinator goes on
#   both          the coordinator with all its workers, at any moment
#   call          the coordinator, at its k-th write, sync, renaming or removal of a file, half of a
#                 write done or nothing: inside the creation, inside a commit, inside the close
#   keeping       a worker, at such a call: while it keeps weights, or a checkpoint of a trial
# After each kill: no process left, the database whole. When the study is complete: every result, curve
# and setting has the bits of an undisturbed run, no trial was done twice, weights are as recorded,
# no lock, log, temporary or checkpoint file is left. A study that is complete before the last kill is
# begun again from nothing. With many --epochs (12) trials are long enough to have checkpoints, each
# 20 ms at most, and to go on from them: how many did is told.
#
# "call" and "keeping" need the library fault_call.so of the build: FAULT_CALL names it.
trials=300
epochs=12
kills=40
runs=1
jobs=2
options="trials epochs kills runs jobs seed"
. "$(dirname "$0")/soak.sh"

fault_call=${FAULT_CALL:-}
[ -n "$fault_call" ] || echo "FAULT_CALL is not set: no kills inside calls"
file_calls=pwrite,fsync,rename,unlink,truncate,create

write_study study.lua $(((trials - 6) / 6)) "$epochs"
started_ms=$(now_ms)
"$cellbench" run study.lua --db calm.db --jobs "$jobs" --quiet --checkpoint 0 || fault "the undisturbed run: exit status $?"
longest_ms=$(($(now_ms) - started_ms)) # until a kill that is timed
bits calm.db > calm.bits
is_complete calm.db calm.bits
[ "$bad" -eq 0 ] || finish
trials=$(sqlite3 calm.db "select count(*) from trial")

# ---- one run in each slot ----

# Slot i has the variables pid_i (empty: no run), plan_i (what will happen to it) and mark_i.
get() { eval "$1=\$$2"; }

# draw_plan: sets plan, what will happen to the next run, and for a fault within it: at, action.
draw_plan() {
    below 100
    case $random in
    1? | 2?) plan=early ;;
    3? | 4?) plan=coordinator ;;
    5?) plan=worker ;;
    6?) plan=both ;;
    7? | 8?) plan=call most=$((trials * 8)) ;;
    9?) plan=call most=100 ;; # the schema, the beginning of the run
    *) plan=keeping most=60 ;;
    esac
    case $plan in
    call | keeping)
        [ -n "$fault_call" ] || plan=coordinator
        below "$most"
        at=$((random + 1))
        below 2
        [ "$random" -eq 0 ] && action='kill' || action='tear'
        ;;
    esac
    [ "$kills_done" -lt "$kills" ] || plan=none
}

# start I: a run in slot I, with its fate.
start() {
    number=$((number + 1))
    draw_plan
    rm -f "fault_$1"
    (
        export SOAK_MARK="$$-$number"
        case $plan in
        call | keeping)
            [ "$plan" = call ] || export FAULT_ROLE=worker
            export LD_PRELOAD="$fault_call" FAULT_CALLS=$file_calls FAULT_LOG="$folder/fault_$1" \
                FAULT_AT="$at" FAULT_DO="$action"
            ;;
        esac
        # shellcheck disable=SC2086 # words
        exec "$cellbench" run study.lua --db soak.db --jobs "$jobs" --quiet $checkpoints
    ) > "out_$1" 2> "err_$1" < /dev/null &
    eval "pid_$1=\$! plan_$1=\$plan mark_$1=\$\$-\$number"
}

children() {
    cat "/proc/$1/task/$1/children" 2> /dev/null
}

# strike I: what the fate of slot I is, now.
strike() {
    get pid "pid_$1"
    get plan "plan_$1"
    case $plan in
    early | coordinator) kill -9 "$pid" ;;
    both)
        # shellcheck disable=SC2046 # words
        kill -9 "$pid" $(children "$pid")
        ;;
    worker)
        # shellcheck disable=SC2046 # words
        set -- "$1" $(children "$pid")
        [ $# -ge 2 ] && kill -9 "$2" || return
        eval "plan_$1=coordinator"
        kills_done=$((kills_done + 1))
        count_worker=$((count_worker + 1))
        ;;
    esac 2> /dev/null
}

# reap I: slot I has ended. Sets ended to its exit status.
reap() {
    get pid "pid_$1"
    get plan "plan_$1"
    get mark "mark_$1"
    if [ "$plan" = keeping ] && grep -q '^call' "fault_$1" 2> /dev/null; then
        kills_done=$((kills_done + 1))
        count_keeping=$((count_keeping + 1))
    fi
    wait "$pid" 2> /dev/null
    ended=$?
    eval "pid_$1="
    none_left "$mark"
    case $ended in
    137)
        kills_done=$((kills_done + 1))
        eval "count_$plan=\$((count_$plan + 1))"
        ;;
    0) complete=1 ;;
    *)
        fault "run $number ($plan): exit status $ended"
        sed 's/^/  /' "err_$1"
        ;;
    esac
}

alive() {
    get pid "pid_$1"
    [ -n "$pid" ] && kill -0 "$pid" 2> /dev/null && [ "$(cut -d ' ' -f 3 "/proc/$pid/stat" 2> /dev/null)" != Z ]
}

pid='' mark=''
slots=$(seq "$runs")
for i in $slots; do eval "pid_$i= plan_$i= mark_$i="; done
kills_done=0
number=0
complete=0
completed=0
resumed=0
count_early=0 count_coordinator=0 count_worker=0 count_both=0 count_call=0 count_keeping=0

# The study is complete: all runs end by themselves.
conclude() {
    for i in $slots; do
        get pid "pid_$i"
        [ -z "$pid" ] || reap "$i"
    done
    run_study soak.db 2> err || fault "nothing left to do: exit status $?: $(cat err)"
    is_complete soak.db calm.bits
    completed=$((completed + 1))
    resumed=$((resumed + $(sqlite3 soak.db "select count(*) from attempt where resumed_epochs > 0")))
    [ "$bad" -eq 0 ] || finish
    rm -rf soak.db soak.weights
    complete=0
}

while [ "$kills_done" -lt "$kills" ] && [ "$bad" -eq 0 ]; do
    for i in $slots; do
        get pid "pid_$i"
        [ -n "$pid" ] || start "$i"
    done
    below "$runs"
    victim=$((random + 1))
    get plan "plan_$victim"
    if [ "$plan" = early ]; then below 300; else below "$longest_ms"; fi
    wait_ms "$random"
    strike "$victim"
    for i in $slots; do
        if ! alive "$i"; then
            reap "$i"
            [ "$runs" -gt 1 ] || is_whole_copy soak.db
        fi
    done
    [ "$complete" -eq 0 ] || conclude
done
# What was begun is brought to its end, by all of them.
for i in $slots; do
    get pid "pid_$i"
    [ -n "$pid" ] || start "$i"
done
conclude

echo "$kills_done kills of $runs run(s) of $trials trials: $count_early early, $count_coordinator coordinator," \
    "$count_worker worker, $count_both both, $count_call at a call, $count_keeping keeping; $completed studies completed, $resumed trials gone on with from a checkpoint"
finish
