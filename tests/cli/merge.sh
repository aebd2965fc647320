#!/bin/sh
# SPDX-License-Identifier: MIT
# Merging databases: of two machines, twice, in conflict, at work, under kills; and what cannot be.
. "$(dirname "$0")/lib.sh"
command -v sqlite3 > /dev/null || { echo "skipped: needs sqlite3"; exit 77; }

cat > one.lua <<'END'
local cb = require "cellbench"
return cb.study {
  name = "tiny",
  task = cb.task.adding { length = 8, train = 20, valid = 10, test = 10 },
  cells = { "rnn", "gru" }, hidden = 3, seeds = { 2, 7 }, keep = "best",
  space = { rate = cb.choice { 0.001, 0.01, 0.02 } },
  train = { epochs = 2, batch = 10 },
}
END
sed 's/0.001, //' one.lua > two.lua
expect 0 run one.lua --db desk.db --quiet
expect 0 run one.lua --db server.db --quiet --jobs 2
expect 0 run two.lua --db laptop.db --quiet

# ---- what comes over ----
expect 0 merge all.db desk.db
says out '^desk.db: 1 new study, 12 new trials, 12 new attempts, 12 files of weights$'
sqlite3 desk.db .dump | sed 's/desk\.weights/X/' > before
sqlite3 all.db .dump | sed 's/all\.weights/X/' > after
cmp -s before after || fault "a merge into nothing is not the database again"
expect 0 merge all.db server.db laptop.db
says out '^server.db: 12 results equal' '^laptop.db: 1 new study, 1 of them under a new name, 8 results'
sqlite3 all.db .dump > before
expect 0 merge all.db desk.db server.db laptop.db
says out '^desk.db: nothing new$'
sqlite3 all.db .dump > after
cmp -s before after || fault "merging again changed something"
expect 0 status all.db --csv
says out '^tiny,12,12,' '^tiny \[[0-9a-f]\{8\}\],8,8,'
expect 0 verify all.db 3
expect 0 run one.lua --db all.db
says err 'nothing left to do'
same "weights" "$(find all.weights -name '*.safetensors' | wc -l)" 12

# ---- conflicts ----
sqlite3 server.db 'update attempt set test = test + 1 where trial_id = 5'
rm -f all.db
expect 1 merge all.db desk.db server.db laptop.db
says err '^cellbench: conflict: trial 5 (rnn, seed [27]): valid .* in all.db, but valid .* in server.db'
says out '^server.db: 11 results equal to those that are there, 1 conflict$' '^laptop.db: 1 new study'
same "the first stays" "$(sqlite3 all.db 'select test from attempt where trial_id = 5')" \
    "$(sqlite3 desk.db 'select test from attempt where trial_id = 5')"

# ---- what cannot be ----
expect 1 merge all.db desk.db nowhere.db
says err 'nowhere.db'
expect 1 merge new.db nowhere.db
[ ! -e new.db ] || fault "an output was made for an input that is not there"
ln -s all.db link.db
expect 1 merge all.db desk.db link.db
says err 'link.db: is what is merged into'
expect 1 merge new.db one.lua
says err 'one.lua: expected a cellbench database'
expect 1 merge one.lua desk.db
says err 'one.lua: expected a cellbench database'
expect 2 merge all.db
: > empty.db
expect 1 merge new.db empty.db
sqlite3 desk.db 'pragma journal_mode = delete' > /dev/null
cp desk.db short.db
truncate -s 20000 short.db
expect 1 merge new2.db short.db
says err 'short.db'
expect 0 merge all.db desk.db

# ---- a study at work ----
cat > long.lua <<'END'
local cb = require "cellbench"
return cb.study {
  name = "long",
  task = cb.task.adding { length = 8, train = 20, valid = 10, test = 10 },
  cells = { "rnn" }, hidden = 3, seeds = 100,
  space = { rate = cb.choice { 0.001, 0.01 } },
  train = { epochs = 2, batch = 10 },
}
END
"$cellbench" run long.lua --db long.db --quiet --jobs 2 > /dev/null 2>&1 &
run=$!
until "$cellbench" status long.db > /dev/null 2>&1; do sleep 0.1; done
for i in 1 2 3 4 5 6 7 8; do
    "$cellbench" merge copy.db long.db > out 2> err || { sed 's/^/  err: /' err; fault "copy $i"; }
    same "copy $i" "$(sqlite3 copy.db 'pragma integrity_check')" ok
done
wait $run || fault "the run that was copied failed"
expect 0 merge copy.db long.db
same "all is there" "$(sqlite3 copy.db "select count(*) from trial where state = 'done'")" 200
same "no copy is at work" "$(sqlite3 copy.db "select count(*) from attempt where state = 'running'")" 0
expect 0 merge copy.db long.db
says out '^long.db: nothing new$'

# ---- kills: four trials are in both ----
for after in 0.005 0.02 0.04 0.06 0.1; do
    rm -f killed.db
    "$cellbench" merge killed.db desk.db > /dev/null
    "$cellbench" merge killed.db long.db > /dev/null 2>&1 &
    merge=$!
    sleep $after
    kill -9 $merge 2> /dev/null
    wait $merge 2> /dev/null
    n=$(sqlite3 killed.db 'select count(*) from trial')
    [ "$n" = 12 ] || [ "$n" = 208 ] || fault "killed after $after s: $n trials"
    expect 0 merge killed.db long.db
    same "after a kill" "$(sqlite3 killed.db 'select count(*) from trial')" 208
done
finish
