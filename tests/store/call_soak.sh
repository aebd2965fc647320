#!/bin/sh
# SPDX-License-Identifier: MIT
# Lets a tiny study go wrong at every single call by which it changes files, one after another.
#
#   tests/store/call_soak.sh CELLBENCH [--do WHAT] [--role WHO] [--calls WHICH] [--step N] [--from K]
#       [--to K] [--jobs N]
#
# For k = --from (1), and every --step (1) calls on up to --to (the last): a new database, and a run
# in which the k-th call goes wrong; then the same command again, without. --do says how, one or
# several of these words:
#   kill    kill -9 before the call             tear    a write is half done, then kill -9
#   power   half of what was not synced is undone, then kill -9
#   ENOSPC  a full disk from that call on       EIO     that one call fails
#   ENOMEM  that allocation fails               NOMEM   and all after it   (--calls alloc)
# (default: "kill tear power ENOSPC EIO"). --role (run): whose calls, the coordinator's or a worker's
# ("worker"). --calls: which, as fault_call.c names them (default: those that change files). After the fault: a message and exit status 1, or success if it did not matter; no crash,
# no process left, the database whole. After the second run: all results with the bits of an
# undisturbed run, nothing done twice, nothing left behind.
#
# Needs the library fault_call.so of the build: FAULT_CALL names it.
do="kill tear power ENOSPC EIO"
role=run
calls=pwrite,fsync,rename,unlink,truncate,create,mkdir
step=1
from=1
to=1000000000
jobs=2
options="do role calls step from to jobs"
. "$(dirname "$0")/soak.sh"

fault_call=${FAULT_CALL:-}
[ -n "$fault_call" ] || skip "FAULT_CALL is not set"

write_study study.lua 1 2
run_study calm.db || fault "the undisturbed run: exit status $?"
bits calm.db > calm.bits
is_complete calm.db calm.bits

# faulty_run K ACTION: sets ended to its exit status, hit to what went wrong ('' if the run had fewer
# calls).
faulty_run() {
    rm -f log
    more=''
    action=$2
    case $action in
    ENOSPC) more=FAULT_MORE=1 ;;
    NOMEM) more=FAULT_MORE=1 action=ENOMEM ;;
    esac
    # shellcheck disable=SC2086 # words
    env $more SOAK_MARK="$$" LD_PRELOAD="$fault_call" FAULT_CALLS="$calls" FAULT_ROLE="$role" FAULT_LOG="$folder/log" \
        FAULT_AT="$1" FAULT_DO="$action" "$cellbench" run study.lua --db it.db --jobs "$jobs" --quiet $checkpoints 2> err
    ended=$?
    hit=$(sed -n 's/^call/call/p' log 2> /dev/null)
    none_left "$$"
}

# one K ACTION
one() {
    faulty_run "$1" "$2"
    [ -n "$hit" ] || return
    what="$2 at $role's $hit"
    before=$bad
    case $role-$2-$ended in
    run-kill-137 | run-tear-137 | run-power-137) ;;
    *-1) grep -q '^cellbench: ' err || fault "$what: exit status 1 without a message" ;;
    *-E*-0 | *-NOMEM-0 | worker-*-0) ;;
    *) fault "$what: exit status $ended" ;;
    esac
    is_whole_copy it.db
    run_study it.db 2> err_again || fault "$what, and then: exit status $?: $(cat err_again)"
    is_complete it.db calm.bits
    points=$((points + 1))
    if [ "$bad" -gt "$before" ]; then
        echo "  ($what; it said: $(cat err))"
        mkdir -p kept && cp -r it.* "kept/" && cp err "kept/err-$1-$2"
    fi
    rm -rf it.*
}

points=0
for fate in $do; do
    k=$from
    hit=yes
    while [ -n "$hit" ] && [ "$k" -le "$to" ] && [ "$bad" -lt 20 ]; do
        one "$k" "$fate"
        k=$((k + step))
    done
done
echo "$points calls, each of which went wrong once"
finish
