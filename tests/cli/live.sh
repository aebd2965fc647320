#!/bin/sh
# SPDX-License-Identifier: MIT
# status --live: beside a run, before it, without one, on a terminal of any size; it ends by itself
# and disturbs nothing. A terminal is made by script(1), which every Debian has.
. "$(dirname "$0")/lib.sh"

cat > live.lua <<'LUA'
local cb = require "cellbench"
return cb.study {
  name  = "live",
  task  = cb.task.adding { length = 30, train = 200, valid = 50, test = 50 },
  cells = { "rnn", "gru" },
  space = { rate = cb.choice { 0.001, 0.01, 0.03 } }, hidden = 8, seeds = 4,
  train = { epochs = 12, batch = 20 },
}
LUA

# on_terminal COLUMNS ROWS FILE ARGUMENT...: runs cellbench on a terminal of that size.
on_terminal() {
    columns=$1 rows=$2 file=$3
    shift 3
    count=$((count + 1))
    TERM=xterm script -qec "stty cols $columns rows $rows; exec '$cellbench' $*" /dev/null \
        > "$file" < /dev/null || fault "on a terminal: cellbench $*: exit status $?"
}

# calm FILE: besides moving the cursor up and erasing, nothing for a terminal is in it.
calm() {
    count=$((count + 1))
    sed "s/$(printf '\033')\[[0-9]*[AJK]//g" "$1" | tr -d '\n\r' | LC_ALL=C tr -d '\040-\176\200-\377' > rest
    [ -s rest ] && fault "$1: control characters: $(od -c rest | head -3)"
}

# ---- it waits for the database, follows the run, and ends with it ----
"$cellbench" status live.db --live > before.out 2> before.err &
watcher=$!
sleep 0.3
"$cellbench" run live.lua --db live.db --jobs 2 --quiet 2> run.err &
runner=$!
on_terminal 80 24 wide status live.db --live
on_terminal 40 10 narrow status live.db --live
on_terminal 3 2 tiny status live.db --live
wait "$runner" || fault "the run beside it: exit status $?: $(cat run.err)"
wait "$watcher" || fault "status --live, started first: exit status $?: $(cat before.err)"
says before.out '^live.db: not there yet' '^live: 24 of 24 trials (100 %), nothing left to do; best mse: rnn '
says wide 'live: 24 of 24 trials' '100 %  nothing left to do' '^rnn  *12  *0 '
calm wide
calm narrow
calm tiny
same "what the terminal was given is what fits" \
    "$(sed "s/$(printf '\033')\[[0-9]*[AJK]//g" narrow | tr -d '\r' | awk 'length > 39' | head -1)" ''
for file in live.db-wal live.db-shm live.db.lock; do
    [ -e "$file" ] && fault "$file was left behind"
done

# ---- nothing to wait for: one look ----
cp live.db before
expect 0 status live.db --live
says out '24 of 24 trials (100 %), nothing left to do'
same "lines" "$(wc -l < out)" 1
cmp -s live.db before || fault "status --live changed the database"
expect 0 status live.db --live --study live
expect 1 status live.db --live --study life
says err "no study 'life', did you mean 'live'"

# ---- work that nobody does: until Ctrl-C, which is no error ----
if command -v sqlite3 > /dev/null; then
    cp live.db open.db
    sqlite3 open.db "pragma foreign_keys = off; update trial set state = 'pending',
                     result_attempt_id = null where trial_id = 3"
    "$cellbench" status open.db --live > open.out 2>&1 &
    watcher=$!
    sleep 0.7
    kill -TERM "$watcher"
    wait "$watcher"
    same "ended by a signal" $? 0
    says open.out '23 of 24 trials' 'no run is at work'
    # It is replaced by one with nothing to do, then looked at again.
    "$cellbench" status open.db --live > open.out 2>&1 &
    watcher=$!
    sleep 0.5
    cp live.db other.db
    mv other.db open.db
    wait "$watcher"
    same "replaced" $? 0
    says open.out '23 of 24 trials' '24 of 24 trials'
fi

# ---- wrong usage, and what is no database ----
expect 2 status live.db --live --csv
expect 2 status live.db --live --failed
expect 2 status live.db --study live
says err '--study needs --live'
printf 'this is no database\n' > text.db
expect 1 status text.db --live
says err '^cellbench: text.db: expected a cellbench database'
mkdir folder.db
expect 1 status folder.db --live
says err 'folder.db: expected a file, got a folder'
finish
