#!/bin/sh
# SPDX-License-Identifier: MIT
# Copies the files of a running study at random moments, as a person would with cp.
#
#   tests/store/copy_soak.sh CELLBENCH [--copies N] [--resumed N] [--trials N] [--gap MS] [--jobs N] [--seed N]
#
# --copies (50) times: counts what is finished in the database of a study of --trials (300) trials
# that is at work, and copies the database, then its log (-wal), with up to --gap (100) ms between the
# two, as with a large file or a slow disk. Each copy must open, pass integrity_check, and hold all
# that was finished before. --resumed (10) of them are run to their end: the results must be those of
# an undisturbed run, to the last bit. A study that comes to its end is begun again.
copies=50
resumed=10
trials=300
gap=100
jobs=2
options="copies resumed trials gap jobs seed"
. "$(dirname "$0")/soak.sh"

write_study study.lua $(((trials - 6) / 6)) 12
started_ms=$(now_ms)
run_study calm.db || fault "the undisturbed run: exit status $?"
calm_ms=$(($(now_ms) - started_ms))
bits calm.db > calm.bits

finished() {
    sqlite3 "$1" "select count(*) from attempt where state in ('done', 'diverged')"
}

# begin: the study from its start; waits until the schema is there.
pid=
begin() {
    [ -z "$pid" ] || wait "$pid"
    rm -rf soak.*
    run_study soak.db 2> err &
    pid=$!
    tries=0
    while [ "$(sqlite3 soak.db 'select count(*) from study' 2> /dev/null || echo 0)" -eq 0 ] && [ "$tries" -lt 200 ]; do
        sleep 0.02
        tries=$((tries + 1))
    done
}

# copy I: into the folder copy_I. Fails if the run came to its end meanwhile and took its log away.
copy() {
    mkdir "copy_$1"
    before=$(finished soak.db)
    cp soak.db "copy_$1/"
    below "$gap"
    wait_ms "$random"
    cp soak.db-wal "copy_$1/" 2> /dev/null
    if [ ! -s "copy_$1/soak.db-wal" ]; then
        sleep 0.5 # an end is under way
        if ! kill -0 "$pid" 2> /dev/null; then
            rm -r "copy_$1"
            return 1
        fi
    fi
    [ ! -d soak.weights ] || cp -r soak.weights "copy_$1/" 2> /dev/null # temporary names come and go
    # Looked at in a copy of the copy: the shell would put the log into the database.
    rm -rf looked_at
    cp -r "copy_$1" looked_at
    is_whole looked_at/soak.db
    held=$(finished looked_at/soak.db)
    checks=$((checks + 1))
    [ "${held:-0}" -ge "$before" ] || fault "copy $1 holds ${held:-no} trials, but $before were finished before"
}

resume() {
    mv "copy_$1" resumed && cd resumed || exit 1
    cp ../study.lua .
    run_study soak.db 2> err || fault "copy $1, resumed: exit status $?: $(cat err)"
    is_complete soak.db ../calm.bits
    cd .. && rm -r resumed
}

begin
at=0
while [ "$at" -lt "$copies" ] && [ "$bad" -eq 0 ]; do
    at=$((at + 1))
    below $((2 * calm_ms / copies + 20))
    wait_ms "$random"
    kill -0 "$pid" 2> /dev/null || begin
    until copy "$at"; do begin; done
    # Spread over all copies.
    if [ $((at * resumed / copies)) -gt $(((at - 1) * resumed / copies)) ]; then
        resume "$at"
    else
        rm -r "copy_$at"
    fi
done
wait "$pid" || fault "the run that was copied: exit status $?: $(cat err)"
is_complete soak.db calm.bits
echo "$at copies, $resumed resumed"
finish
