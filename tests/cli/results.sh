#!/bin/sh
# SPDX-License-Identifier: MIT
# What is read from a database: status, table, compare, verify, export; and confirmation seeds.
scripts=$(realpath "$(dirname "$0")")
. "$(dirname "$0")/lib.sh"

cat > tiny.lua <<'END'
local cb = require "cellbench"
return cb.study {
  name = "tiny",
  task = cb.task.adding { length = 8, train = 20, valid = 10, test = 10 },
  cells = { "rnn", "gru" }, hidden = 3, seeds = { 2, 7 },
  space = { rate = cb.choice { 0.001, 0.01, 0.02 } },
  train = { epochs = 2, batch = 10 },
  confirm = { top = 1, seeds = 3 },
}
END

# ---- confirmation ----
expect 0 plan tiny.lua --csv
same "plan: trials" "$(tail -n +2 out | cut -d, -f2 | paste -sd' ')" "9 9"
expect 0 plan tiny.lua
says out '^18 trials' '^6 of the trials confirm'
expect 0 run tiny.lua --jobs 2
says err 'tiny: 18 of 18 trials (100 %)'
says out 'confirm'
cp out leaderboard
expect 0 table tiny.db --trials --csv --columns seed,role,state --sort seed
same "fresh seeds" "$(grep -c '^\(8\|9\|10\),confirm,done' out)" 6
same "first seeds" "$(grep -c '^[27],first,done' out)" 12
expect 0 run tiny.lua --jobs 1
says err '18 of 18 trials (100 %), nothing left to do'
tail -n +2 leaderboard > before
tail -n +2 out > after
cmp -s before after || fault "a second run changed the leaderboard"

# ---- status ----
expect 0 status tiny.db
says out '^tiny  *18  *18  *0' 'no run is at work'
expect 0 status tiny.db --csv
says out '^tiny,18,18,0,0,0,0,'
expect 0 status tiny.db --runs --json
same "no runs" "$(cat out)" '[]'
expect 0 status tiny.db --failed --csv
same "no failures" "$(wc -l < out)" 1
expect 2 status tiny.db --runs --failed
expect 1 status nowhere.db
: > empty.db
expect 1 status empty.db
says err 'empty'

# ---- table ----
expect 0 table tiny.db --trials --cell gru --sort valid:desc --top 2 --columns valid,cell,trial
same "rows" "$(grep -c . out)" 3
expect 0 table tiny.db --trials --state 'done' --csv --columns trial
same "all are done" "$(wc -l < out)" 19
expect 0 table tiny.db --cell rnn --csv --columns cell,over,seeds
says out '^rnn,confirm,3'
expect 1 table tiny.db --columns cell,tset
says err "no column 'tset', did you mean 'test'"
expect 1 table tiny.db --sort valdi
says err "did you mean 'valid'"
expect 2 table tiny.db --sort valid:down
says err 'COLUMN:desc'
expect 1 table tiny.db --cell gruu
says err "no cell 'gruu', did you mean 'gru'"
expect 2 table tiny.db --trials --state dnoe
says err "did you mean 'done'"
expect 2 table tiny.db --state 'done'
expect 1 table tiny.db --sort 'valid" desc; --'
says err 'no column'

# ---- compare ----
expect 0 compare tiny.db
says out 'study tiny' '^gru  *3  *confirm' ' \.\. ' 'first by validation: test' '3 fresh seeds' \
    'aired t test' 'fewer than 5 seeds' 'hidden=3 rate=' '^gru / rnn\|^rnn / gru'
expect 0 compare tiny.db --study tiny --csv
same "compare: rows" "$(wc -l < out)" 3
says out '^tiny,adding,gru,mse,[123],hidden=3 rate=0.0[0-9]*,[^,]*,confirm,3,3,'
expect 0 compare tiny.db --csv --pairs
same "compare: pairs" "$(wc -l < out)" 2
expect 0 compare tiny.db --json
says out '"verdict": "' '"kind": "few"' '"answer": "'
expect 0 compare tiny.db --scale plain
says out '^gru - rnn\|^rnn - gru' 'mse \[\|\] mse'
for test in welch wilcoxon mann-whitney signs labels; do
    expect 0 compare tiny.db --test $test
done
expect 0 compare tiny.db --test signs
says out 'the test cannot give less than p = 0.25'
expect 0 compare tiny.db --equivalence 100
says out 'equivalent, within 100, to' 'equivalent within 100 mse: difference'
expect 0 compare tiny.db --baseline rnn --level 0.9
says out '90 % interval'
expect 0 compare tiny.db --metric valid
says out 'valid mean'
expect 1 compare tiny.db --study tyni
says err "did you mean 'tiny'"
expect 1 compare tiny.db --baseline gruu
says err "no cell 'gruu', did you mean 'gru'"
expect 1 compare tiny.db --metric tset
says err "did you mean 'test'"
expect 2 compare tiny.db --test welhc
says err "did you mean 'welch'"
expect 2 compare tiny.db --level 95
expect 2 compare tiny.db --equivalence -1
expect 2 compare tiny.db --equivalence 0.1 --scale log
expect 2 compare tiny.db --scale cubic

# One trial, and none that has a result: no interval, no winner.
sed -e 's/"tiny"/"one"/; /confirm =/d; /seeds =/s/seeds = .*/seeds = 1,/; s/choice {[^}]*}/choice { 0.01 }/' \
    -e 's/"rnn", "gru"/"rnn"/' tiny.lua > one.lua
expect 0 run one.lua --quiet --jobs 1
expect 0 compare one.db
says out '^rnn  *1  *study' 'a single seed' 'chose the setting' 'no other cell'
if grep -q 'first by validation' out; then fault "compare names a winner of one"; fi
sed -e 's/"one"/"lost"/; s/choice {[^}]*}/choice { 1e30 }/; s/train = {/train = { optimiser = "sgd",/' one.lua > lost.lua
expect 0 run lost.lua --quiet --jobs 1 --db one.db
expect 0 compare one.db --study lost
says out '^rnn  *0  *-' 'No trial has a result (trials: 1 diverged)'
expect 0 table one.db
expect 1 table one.db --trials
says err 'holds 2 studies: --study'
expect 0 table one.db --trials --study lost --state diverged

# ---- importance ----
cat > wide.lua <<'END'
local cb = require "cellbench"
return cb.study {
  name = "wide",
  task = cb.task.adding { length = 8, train = 20, valid = 10, test = 10 },
  cells = { "rnn", "gru" }, hidden = 3, search = cb.random { trials = 40 },
  space = {
    rate = cb.log_uniform(1e-5, 1), optimiser = cb.choice { "adam", "nesterov" },
    momentum = function(s)
      if s.optimiser == "nesterov" then return s.rate < 1e-2 and 0.9 or 0.5 end
    end,
  },
  train = { epochs = 2, batch = 10 },
}
END
expect 0 run wide.lua --quiet --jobs 2
expect 0 importance wide.db
says out 'all cells' 'cell gru' '^rate  *[0-9.]* %' 'R2' 'momentum is set in'
expect 0 importance wide.db --cell gru --pairs
says out 'rate with optimiser\|optimiser with rate'
expect 0 importance wide.db --csv
same "importance: head" "$(head -n 1 out | cut -d, -f1-5)" study,task,cell,setting,share
says out '^wide,adding,(all),cell,' '^wide,adding,gru,rate,'
expect 0 importance wide.db --csv --pairs --cell rnn
says out '^wide,adding,rnn,'
expect 0 importance wide.db --json --cap 0.5 --no-diverged
says out '"points"' '"active_share"'
expect 0 importance tiny.db
says out 'too few to tell'
expect 0 importance one.db --study lost
says out 'No setting has a result yet'
expect 1 importance wide.db --cell gruu
says err "no cell 'gruu', did you mean 'gru'"
expect 1 importance wide.db --study wdie
says err "did you mean 'wide'"
expect 2 importance wide.db --cap 2

# ---- verify ----
expect 0 verify tiny.db 1
says out '^trial 1: ' '^equal: [1-9][0-9]* rows'
expect 0 verify one.db 2
says out '^equal'
# the file of its weights: as it was written; changed; with other weights; missing
kept=$(ls tiny.weights/*.safetensors | head -n 1)
trial=$(basename "$kept" .safetensors)
expect 0 verify tiny.db "$trial"
says out '^weights tiny.weights/' 'equal: hash as stored'
cp "$kept" whole.safetensors
printf x >> "$kept"
expect 1 verify tiny.db "$trial"
says out '^equal' 'differ: changed since it was written'
rm "$kept"
expect 0 verify tiny.db "$trial"
says out 'missing: the file is not there'
cp whole.safetensors "$kept"
expect 0 verify "$PWD/tiny.db" "$trial"
says out 'equal: hash as stored'
expect 1 verify tiny.db 1000
says err "no trial '1000'"
expect 1 verify tiny.db first
says err 'expected its number'
expect 2 verify tiny.db
if command -v sqlite3 > /dev/null; then
    key=$(sqlite3 tiny.db 'select substr(key, 1, 12) from trial where trial_id = 2')
    expect 0 verify tiny.db "$key"
    says out '^trial 2: '
    cp tiny.db changed.db
    sqlite3 changed.db "update epoch set value = value * (1 + 1e-15) where epoch = 2 and split = 'valid'
        and attempt_id = (select result_attempt_id from trial where trial_id = 1)"
    expect 1 verify changed.db 1
    says out '^first difference: epoch 2, valid, mse' '^  stored  *0x1\.' '^  now  *0x1\.' '^not equal$'
    sqlite3 changed.db 'update attempt set test = test * 2; update attempt set instruction_set = "vax"'
    expect 1 verify changed.db 3
    says out '^first difference: result test' ', vax; this program' 'no surprise'
    sqlite3 changed.db "update trial set state = 'pending', result_attempt_id = null where trial_id = 4;
        update attempt set state = 'failed', error_text = 'it broke' where trial_id = 5;
        update trial set state = 'failed' where trial_id = 5"
    expect 1 verify changed.db 4
    says err 'no result yet: it is pending'
    expect 1 verify changed.db 5
    says err 'failed and has no result to compare: it broke'
    expect 0 status changed.db
    says out '^failed:' 'it broke'
    expect 0 compare changed.db
    says out 'still to be finished'
fi

# ---- a database of the first version ----
if command -v sqlite3 > /dev/null; then
    sqlite3 old.db < "$scripts/../store/fixtures/schema_1.sql"
    sqlite3 old.db 'pragma application_id = 1128418883; pragma user_version = 1'
    expect 0 status old.db
    says out 'no study yet'
    expect 0 table old.db
    expect 0 compare old.db
    same "left as it is" "$(sqlite3 old.db 'pragma user_version')" 1
    expect 0 run tiny.lua --db old.db --quiet
    expect 0 compare old.db
    says out 'confirm'
fi

# ---- export ----
expect 0 export tiny.db out-csv
says out 'tables and views: out-csv'
for name in trial epoch study_1 leaderboard ranking; do
    [ -s "out-csv/$name.csv" ] || fault "export: $name.csv is missing"
done
same "export: rows" "$(wc -l < out-csv/trial.csv)" 19
says out-csv/trial.csv "$(printf '\r')\$"
expect 1 export tiny.db out-csv
says err 'is there already; --force'
expect 0 export tiny.db out-csv --force
expect 0 export tiny.db --table trial
cmp -s out out-csv/trial.csv || fault "export --table is not the file"
expect 1 export tiny.db --table trails
says err "did you mean 'trial'"
expect 2 export tiny.db
expect 2 export tiny.db x --table trial
expect 1 export tiny.db no/such/folder
says err 'no/such/folder'

# ---- a run that died ----
sed -e 's/"tiny"/"long"/; s/epochs = 2/epochs = 100000/; s/train = 20/train = 2000/' tiny.lua > long.lua
"$cellbench" run long.lua --jobs 1 --quiet --db long.db 2> /dev/null &
run=$!
i=0
until "$cellbench" status long.db --runs --csv 2> /dev/null | grep -q ',alive,.*,1,20' || [ $i -ge 100 ]; do
    sleep 0.1
    i=$((i + 1))
done
expect 0 status long.db
says out 'alive'
kill -9 $run
wait $run 2> /dev/null
expect 0 status long.db
says out ' dead ' 'done again by the next run'

# ---- cells that are the same, and what confirm may say ----
sed -e 's/"gru"/"gru", cb.cell { name = "mine", text = cb.cells("gru").text }/' tiny.lua > twins.lua
expect 1 run twins.lua --db twins.db
says err "twins.lua:.*cells 'gru' and 'mine' have the same equations"
[ -e twins.db ] && fault "a refused study left a database"
# The same trial for two cells, though not at the same place: found when all are made.
sed -e 's/"gru"/{ "rnn", name = "mine", space = { rate = cb.choice { 0.02, 0.01 } } }/' tiny.lua > overlap.lua
expect 1 run overlap.lua --db overlap.db
says err "study 'tiny'.*'rnn' and 'mine' have the same"
sed -e 's/top = 1/tpo = 1/' tiny.lua > typo.lua
expect 1 plan typo.lua
says err "typo.lua:.*tpo.*did you mean 'top'"
sed -e 's/top = 1/top = 0/' tiny.lua > zero.lua
expect 1 plan zero.lua
says err 'confirm.top'
sed -e 's/{ 2, 7 }/{ 9223372036854775807 }/' tiny.lua > full.lua
expect 1 plan full.lua
says err 'no seed behind'
finish
