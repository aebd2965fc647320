#!/bin/sh
# SPDX-License-Identifier: MIT
# Studies with mistakes: every one is told with the file, its line and what was expected; nothing is
# written.
. "$(dirname "$0")/lib.sh"

# study FILE LINE: a study with one line put in.
study() {
    cat > "$1" <<EOF
local cb = require "cellbench"
return cb.study {
  name  = "broken",
  task  = cb.task.adding { length = 10, train = 20, valid = 10, test = 10 },
  train = { epochs = 1, batch = 10 },
  cells = { "lstm" }, hidden = 4,
  $2
}
EOF
}

study good.lua ''
expect 0 plan good.lua
says out 'lstm' '1 trials*'
[ -e broken.db ] && fault "plan wrote a database"

study key.lua 'traim = {},'
expect 1 run key.lua
says err '^cellbench: ' 'key.lua:2' "traim.*did you mean 'train'"
study cell.lua 'seeds = 1, space = {}, init = {}, search = cb.grid(),'
sed -i 's/"lstm"/"lsmt"/' cell.lua
expect 1 run cell.lua
says err 'cell.lua:2' "lsmt.*did you mean 'lstm'"
study type.lua 'seeds = "many",'
expect 1 run type.lua
says err 'type.lua:2' 'seeds' 'many'
study range.lua 'space = { rate = "fast" },'
expect 1 run range.lua
says err 'range.lua:2' 'rate' 'fast'
study taskkey.lua ''
sed -i 's/length = 10/lenght = 10/' taskkey.lua
expect 1 run taskkey.lua
says err 'taskkey.lua:4' "lenght.*did you mean 'length'"
study syntax.lua 'space = = {}'
expect 1 run syntax.lua
says err 'syntax.lua:7'
study call.lua 'search = no_such_function(),'
expect 1 run call.lua
says err 'call.lua:7' 'no_such_function'
study equation.lua ''
sed -i 's/"lstm"/cb.cell { name = "mine", text = "state h\\nh'"'"' = tanh(W x + R hh + b)" }/' equation.lua
expect 1 run equation.lua
says err 'equation.lua:' 'mine' 'line 2' 'hh'
echo 'return 1' > number.lua
expect 1 run number.lua
says err 'number.lua'
echo 'return require "cellbench".study' > function.lua
expect 1 run function.lua
printf 'error("my\\27[31mown")' > escape.lua
expect 1 run escape.lua
if grep -q "$(printf '\033')" err; then fault "an escape sequence reached the terminal raw"; fi

# ---- a study of any size is planned at once, from a sample ----
cat > million.lua <<'EOF'
local cb = require "cellbench"
local rates = {}
for i = 1, 1000 do rates[i] = i * 1e-5 end
return cb.study {
  name  = "million",
  task  = cb.task.adding { length = 8, train = 20, valid = 10, test = 10 },
  cells = { "rnn", { "lstm", hidden = 3, space = { rate = cb.choice { 0.1, 0.2 } } } },
  space = { hidden = cb.int(1, 100), rate = cb.choice(rates), clip = cb.int(1, 10) },
  train = { epochs = 2, batch = 10 },
  confirm = { top = 1, seeds = 5 },
}
EOF
expect 0 plan million.lua
says out '^rnn  *1000005  ' '^lstm  *25  *3  ' '^1000030 trials, at most 2000060 epochs' \
    '^From [0-9]* of 1,000,020 trials, evenly chosen'
expect 0 plan million.lua --csv
says out ',trials_sampled' '^lstm,25,3,3,.*,20'
sed 's/space = { hidden/search = cb.random { trials = 1000000000 }, &/; s/million/billion/' million.lua > billion.lua
expect 0 plan billion.lua
says out '^rnn  *1000000005  ' ' of 2,000,000,000 trials'
# Settings that change nothing are named, once; one that some trials read is not.
sed 's/clip = cb.int(1, 10) }/optimiser = cb.choice { "adam", "nesterov" } }/
     s/train = {/& momentum = 0.5, decay = 0.9,/' million.lua > idle.lua
expect 0 plan idle.lua
same "settings without effect" "$(grep -c '^No effect' out)" 1
says out '^No effect: decay (optimiser .* does not read it)\.$'
# Of a small one every trial is counted.
expect 0 plan good.lua
if grep -q 'evenly chosen' out; then fault "plan of a small study: a sample"; fi

# ---- lua ----
printf 'print(#arg, arg[1], arg[2], require("cellbench").cells ~= nil)\n' > args.lua
expect 0 lua args.lua --jobs 'a b'
same "lua: arguments" "$(tr '\t' ' ' < out)" "2 --jobs a b true"
printf 'local x = nil\nprint(x.y)\n' > nil.lua
expect 1 lua nil.lua
says err 'nil.lua:2'
printf 'os.exit(7)\n' > exit.lua
expect 7 lua exit.lua

for db in *.db; do
    [ -e "$db" ] && fault "a study with a mistake left $db"
done
finish
