# SPDX-License-Identifier: MIT
# shellcheck shell=sh disable=SC2034,SC2154 # variables are shared with the script that includes this
#
# What the soaks share: options, random numbers, the study, and what must hold of its database. A
# soak begins with a head that is its help text, sets its options to their defaults, and then
#   options="seed jobs"
#   . "$(dirname "$0")/soak.sh"
# It is called as SOAK CELLBENCH [--OPTION VALUE]... and works in a folder of its own under TMPDIR
# or /tmp, which is left behind if something is wrong.
set -u

# The head of the script, without the comment signs.
usage() {
    sed -n '3,/^[^#]/s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

[ $# -ge 1 ] && [ "${1#-}" = "$1" ] || usage
cellbench=$(realpath "$1")
seed=$(($(od -An -N3 -tu4 /dev/urandom)))
shift
while [ $# -gt 0 ]; do
    case " $options " in
    *" ${1#--} "*) [ $# -ge 2 ] || usage ;;
    *) usage ;;
    esac
    eval "${1#--}=\$2"
    shift 2
done

soak_name=$(basename "$0" .sh)
tools=$(dirname "$(realpath "$0")")
began=$(date +%s)
bad=0
checks=0

skip() {
    echo "skipped: $*"
    exit 77
}

command -v sqlite3 > /dev/null || skip "reading every result needs sqlite3"
folder=$(mktemp -d "${TMPDIR:-/tmp}/$soak_name.XXXXXX")
cd "$folder" || exit 1

fault() {
    echo "FAIL: $*"
    bad=$((bad + 1))
}

# holds WHAT A B: the two texts are equal.
holds() {
    checks=$((checks + 1))
    [ "$2" = "$3" ] || fault "$1: expected '$3', got '$2'"
}

# Tells the result, in the end.
finish() {
    echo "$soak_name: $checks checks, $bad failed, $(($(date +%s) - began)) s, on $(stat -f -c %T .), seed $seed"
    if [ "$bad" -gt 0 ]; then
        echo "what is left of it is in $folder"
        exit 1
    fi
    cd / && rm -rf "$folder"
    exit 0
}

# below N: sets random to a number below N. The same seed gives the same numbers.
random_state=$seed
below() {
    random_state=$(((random_state * 1103515245 + 12345) & 0x7fffffff))
    random=$(((random_state >> 8) % $1))
}

now_ms() {
    echo $(($(date +%s%N) / 1000000))
}

# wait_ms N
wait_ms() {
    sleep "$(printf '%d.%03d' $(($1 / 1000)) $(($1 % 1000)))"
}

# ---- the study ----

# write_study FILE SETTINGS EPOCHS: 3 cells, SETTINGS settings, 2 seeds; the best setting of each
# cell again with 2 fresh seeds: 6 SETTINGS + 6 trials, of a few milliseconds and up.
write_study() {
    cat > "$1" <<END
local cb = require "cellbench"
return cb.study {
  name    = "soak",
  task    = cb.task.adding { length = 20, train = 100, valid = 30, test = 30 },
  cells   = { "rnn", "lstm", "gru" },
  search  = cb.random { trials = $2, seed = 7 },
  space   = { hidden = cb.log_int(4, 24), rate = cb.log_uniform(1e-3, 1e-1) },
  train   = { epochs = $3, batch = 10, clip = 1 },
  seeds   = 2,
  confirm = { top = 1, seeds = 2 },
}
END
}

checkpoints="--checkpoint 0.02"

# run_study DB [OPTION...]: the command that is repeated after each kill.
run_study() {
    database=$1
    shift
    # shellcheck disable=SC2086 # words
    "$cellbench" run study.lua --db "$database" --jobs "$jobs" --quiet $checkpoints "$@"
}

# ---- what must hold ----

# bits DB: everything about accuracy, to the last bit, and the list that it belongs to.
bits() {
    sqlite3 "$1" "
        select s.position, s.config, s.role, s.retired, t.key, t.state, a.epochs, a.best_epoch,
               a.updates, printf('%!.17g|%!.17g|%!.17g', a.train, a.valid, a.test), a.weights_sha256
        from study_trial s join trial t using (trial_id)
        left join attempt a on a.attempt_id = t.result_attempt_id
        order by s.position, t.key;
        select t.key, e.epoch, e.split, e.metric, printf('%!.17g', e.value)
        from trial t join epoch e on e.attempt_id = t.result_attempt_id
        order by t.key, e.epoch, e.split, e.metric;
        select s.name, t.key, s.type, s.integer, printf('%!.17g', s.real), s.text
        from setting s join trial t using (trial_id) order by t.key, s.name;
        select cell, config, place, seeds, done, open, printf('%!.17g', valid) from ranking
        order by cell, place"
}

# is_whole DB: SQLite finds no fault in it.
is_whole() {
    holds "$1: integrity_check" "$(sqlite3 "$1" 'pragma integrity_check' 2>&1)" ok
    holds "$1: foreign_key_check" "$(sqlite3 "$1" 'pragma foreign_key_check' 2>&1)" ''
}

# is_whole_copy DB: the same of a copy, which leaves the log of a killed run where it is.
is_whole_copy() {
    rm -rf looked_at
    mkdir looked_at
    for part in "$1" "$1-wal" "$1-journal"; do
        [ ! -e "$part" ] || cp "$part" looked_at/
    done
    [ ! -e "looked_at/$1" ] || is_whole "looked_at/$1"
}

# marked MARK: the processes that have MARK in their environment.
marked() {
    grep -lzsx "SOAK_MARK=$1" /proc/[0-9]*/environ | cut -d / -f 3
}

# none_left MARK: no process of that run is left, at once or after two seconds.
none_left() {
    tries=0
    while [ -n "$(marked "$1")" ] && [ "$tries" -lt 100 ]; do
        sleep 0.02
        tries=$((tries + 1))
    done
    holds "processes left behind" "$(marked "$1" | tr '\n' ' ')" ''
}

# weights_hold DB: one file of weights for each trial that names one, with the content it names, and
# nothing else in that folder.
weights_hold() {
    (cd "${1%.db}.weights" 2> /dev/null && find . -type f -exec sha256sum {} + |
        sed 's| [ *]\./| |' | sort) > weights_are
    sqlite3 "$1" "select distinct a.weights_sha256 || ' ' || t.key || '.safetensors' from trial t
        join attempt a on a.attempt_id = t.result_attempt_id where a.weights_file <> ''" | sort > weights_should
    checks=$((checks + 1))
    cmp -s weights_are weights_should || {
        fault "$1: weights on disk (<) and in the database (>):"
        diff weights_are weights_should | head -n 5
    }
}

# is_complete DB BITS: after the clean end of a run that found nothing left to do.
is_complete() {
    is_whole "$1"
    bits "$1" > bits_now
    checks=$((checks + 1))
    cmp -s bits_now "$2" || {
        fault "$1: not the bits of an undisturbed run:"
        diff bits_now "$2" | head -n 5
    }
    holds "$1: trials done twice" "$(sqlite3 "$1" "select count(*) from (select trial_id from attempt
        where state in ('done', 'diverged') group by trial_id having count(*) > 1)")" 0
    holds "$1: attempts, trials or runs left open" "$(sqlite3 "$1" "select
        (select count(*) from attempt where state = 'running') +
        (select count(*) from trial where state in ('running', 'pending')) +
        (select count(*) from run where state = 'running')")" 0
    weights_hold "$1"
    holds "$1: files left behind" "$(echo "$1"?* "${1%.db}".c*)" "$1?* ${1%.db}.c*"
}
