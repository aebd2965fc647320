#!/bin/sh
# SPDX-License-Identifier: MIT
# Help, wrong usage and errors: exit status, stream, and what the message names.
. "$(dirname "$0")/lib.sh"

# ---- help ----
expect 0 --help
says out 'cells' 'check' 'task' 'plan' 'run' 'status' 'table' 'compare' 'verify' 'export' 'lua'
if grep -q worker out; then fault "the overview lists the hidden command worker"; fi
expect 0 help
expect 2
says err 'Usage: cellbench COMMAND'
for command in cells check bench task plan run status table compare importance verify export merge lua help; do
    expect 0 "$command" --help
    says out "^cellbench $command: " "^Usage: cellbench $command" '^Options:' '^Example:' '--help'
    cp out first
    expect 0 help "$command"
    same "help $command and $command --help" "$(cat first)" "$(cat out)"
    expect 2 "$command" --no-such-option
    says err "^cellbench: $command: unknown option '--no-such-option'"
done
expect 0 run --help
says out '^optimiser .*nesterov' '^clip '
expect 0 --version
says out '^cellbench [0-9]' '^commit' '^compiler' '^kernel' '^BLIS' 'SQLite 3'

# ---- wrong usage: 2 ----
expect 2 runn
says err "^cellbench: unknown command 'runn', did you mean 'run'"
expect 2 --verison
says err "^cellbench: unknown option '--verison'"
expect 2 help runn
expect 2 run study.lua --jops 2
says err "unknown option '--jops', did you mean '--jobs'"
for jobs in 0 -1 x 1.5 '' 99999999999999999999; do
    expect 2 run study.lua --jobs "$jobs"
    says err '^cellbench: run: --jobs: expected a whole number from 1 to'
done
expect 2 run
expect 2 run a.lua b.lua
says err "unexpected argument 'b.lua'"
expect 2 run a.lua --db
says err "option '--db' needs a value"
expect 2 run a.lua --re
says err 'may mean several'
expect 2 run a.lua --mix=1
says err 'takes no value'
expect 2 run a.lua --mix --redo
expect 2 run a.lua -x
says err "unknown option '-x'"
expect 2 cells --set periods=1,2
expect 2 cells clockwork --set periods=1,,2
says err "expected a number"
expect 2 cells lstm --hidden 0
expect 2 task --set length=3
for set in length =3 ''; do
    expect 2 task adding --set "$set"
    says err '--set: expected KEY=VALUE, got '
done
for command in cells check task 'plan x.lua' 'status x.db' 'table x.db' 'compare x.db'; do
    # shellcheck disable=SC2086
    expect 2 $command --csv --json
    says err '--csv and --json exclude each other'
done

# ---- a size that one cell cannot have: the others are listed ----
expect 0 cells --hidden 6
says out '^lstm' '^clockwork  *[^ ]*  *-  '
says err '^cellbench: clockwork: .*6'

# ---- bad input: 1 ----
expect 1 cells clockwork --hidden 6
expect 1 cells lstn
says err "^cellbench: .*lstn.*did you mean 'lstm'"
expect 1 check no-such-cell
says err '^cellbench: .*no-such-cell'
expect 1 cells clockwork --set perids=1,2
says err "perids.*did you mean 'periods'"
expect 1 task addin
says err "addin.*did you mean 'adding'"
expect 1 task adding --set lenght=10
says err "lenght.*did you mean 'length'"
expect 1 task adding --set length=long
says err 'length' 'long'
expect 1 task music --set file=nowhere.json
says err 'nowhere.json'
printf '{"train": [[[60, 64]], "val' > damaged.json
expect 1 task music --set file=damaged.json
says err 'damaged.json'
printf 'state h\nh'"'"' = tahn(W x + R h + b)\n' > typo.cell
expect 1 check --file typo.cell
says err 'typo.cell' 'line 2' 'tanh' '\^'
expect 1 check --file nowhere.cell
says err 'nowhere.cell'
expect 1 run nowhere.lua
says err '^cellbench: .*nowhere.lua'
[ -e nowhere.db ] && fault "a run without a study left a database"

expect 1 worker
says err '^cellbench: '

# ---- a stream that cannot be written ----
if [ -c /dev/full ]; then
    count=$((count + 1))
    "$cellbench" cells > /dev/full 2> err && fault "cells > /dev/full: expected a failure"
    says err 'standard output'
fi
finish
