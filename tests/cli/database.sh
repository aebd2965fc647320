#!/bin/sh
# SPDX-License-Identifier: MIT
# Databases: files that are not ours stay as they are, byte for byte; tables in three formats.
. "$(dirname "$0")/lib.sh"

cat > tiny.lua <<'EOF'
local cb = require "cellbench"
return cb.study {
  name  = "tiny",
  task  = cb.task.adding { length = 8, train = 20, valid = 10, test = 10 },
  cells = { "rnn", "gru", cb.cell { name = "mine", text = "state h\nh' = relu(W x + R h + b)" } },
  space = { hidden = cb.choice { 3, 4 } },
  train = { epochs = 2, batch = 10 },
}
EOF

# ---- files that are not ours ----
printf 'this is no database, but it is long enough to be one\n%0600d\n' 0 > text.db
: > other.db
if command -v sqlite3 > /dev/null; then
    sqlite3 other.db 'pragma application_id = 12345; create table mine (x); insert into mine values (1)'
    sqlite3 plain.db 'create table mine (x); insert into mine values (1)'
fi
for db in text.db other.db plain.db; do
    [ -s "$db" ] || continue
    cp "$db" before
    expect 1 run tiny.lua --db "$db" --quiet
    says err "^cellbench: .*$db"
    cmp -s "$db" before || fault "run changed $db"
    expect 1 table "$db"
    says err "^cellbench: .*$db"
    cmp -s "$db" before || fault "table changed $db"
done
expect 1 table nowhere.db
says err 'nowhere.db'
[ -e nowhere.db ] && fault "table made a database"
mkdir folder.db
expect 1 table folder.db
expect 1 run tiny.lua --db no/such/folder/x.db
says err 'no/such/folder'

# ---- paths that are no file: told as such, by every command, at once; nothing is made ----
ln -s loop.db loop.db
ln -s no/such/folder/x.db dangling.db
mkfifo pipe.db
refused() { # PATH PATTERN
    for arguments in status 'status --live' table compare 'verify - 1' 'export - out'; do
        case $arguments in
        *' - '*) line="${arguments%% *} $1 ${arguments##* }" ;;
        *) line="$arguments $1" ;;
        esac
        count=$((count + 1))
        # shellcheck disable=SC2086
        timeout 10 "$cellbench" $line > out 2> err < /dev/null
        same "cellbench $line: exit status" $? 1
        says err "^cellbench: $1: $2"
    done
    expect 1 run tiny.lua --db "$1"
    says err "^cellbench: $1: $2"
}
refused folder.db 'expected a file, got a folder'
refused pipe.db 'expected a file, got a device, pipe or socket'
refused /dev/null 'expected a file, got a device, pipe or socket'
refused loop.db 'cannot be opened: Too many levels'
for db in dangling.db no/such/folder/x.db; do
    expect 1 table "$db"
    says err "^cellbench: $db: cannot be opened: No such file"
    expect 1 run tiny.lua --db "$db"
    says err "^cellbench: $db: .*: No such file"
done
expect 1 table ''
says err 'expected a path, got an empty one'
expect 1 status '' --live
[ -d out ] && fault "export of no database made something"
for path in pipe.db folder.db; do
    expect 1 plan "$path"
    says err "^cellbench: $path: expected a regular file, got "
    expect 1 task text --set file="$path"
    says err "$path: expected a regular file, got "
done

# ---- through symbolic links: the file that they name, which stays where it is ----
mkdir far
ln -s far/x.db link.db
ln -s ../tiny.lua far/study.lua
expect 0 run far/study.lua --db link.db --quiet
[ -d far/x.weights ] || fault "a run through a link: no far/x.weights"
[ -L link.db ] && [ -f far/x.db ] || fault "a run through a link: no far/x.db"
expect 0 table link.db
cp out link.out
expect 0 table far/x.db
cmp -s out link.out || fault "link.db and far/x.db: other results"

# ---- where results go ----
expect 0 run tiny.lua --jobs 2
says err 'results go to tiny.db'
says out 'rnn' 'gru' 'mine' 'tiny.db'
mkdir results
expect 0 run tiny.lua --jobs 2
says out 'results/tiny.db'
expect 0 run tiny.lua --jobs 2
says err '6 of 6 trials (100 %), nothing left to do'
expect 0 run tiny.lua --jobs 1 --quiet
same "quiet: stdout" "$(cat out)" ''
same "quiet: stderr" "$(cat err)" ''
[ -e results/tiny.db-wal ] && fault "a -wal file was left behind"

# ---- tables ----
cp results/tiny.db before
expect 0 table results/tiny.db
says out 'rnn' 'test'
expect 0 table results/tiny.db --study tiny
expect 1 table results/tiny.db --study tyni
says err "no study 'tyni', did you mean 'tiny'"
expect 0 table results/tiny.db --csv
same "csv: rows" "$(wc -l < out)" 4
says out "$(printf '\r')\$" '^study,task,cell,'
same "csv: columns" "$(awk -F, '{ print NF }' out | sort -u | wc -l)" 1
expect 0 table results/tiny.db --json
cp out table.json
cmp -s results/tiny.db before || fault "table changed the database"
if command -v jq > /dev/null; then
    same "json" "$(jq -r 'length, .[0].study, (.[0].test | type), (.[0].done | type)' table.json | xargs)" \
        "3 tiny number number"
fi
for what in cells 'cells lstm' task 'task adding' 'check rnn'; do
    # shellcheck disable=SC2086
    expect 0 $what --json
    says out '^\[' '^\]'
    command -v jq > /dev/null && { jq -e 'length > 0' out > /dev/null || fault "$what: bad JSON"; }
    # shellcheck disable=SC2086
    expect 0 $what --csv
    says out "$(printf '\r')\$"
done

# ---- damaged, and newer than this program ----
size=$(wc -c < results/tiny.db)
head -c $((size / 2)) results/tiny.db > half.db
expect 1 table half.db
says err '^cellbench: .*half.db'
if command -v sqlite3 > /dev/null; then
    cp results/tiny.db newer.db
    sqlite3 newer.db 'pragma journal_mode = delete; pragma user_version = 1000000' > /dev/null
    cp newer.db before
    expect 1 table newer.db
    says err '^cellbench: .*newer.db' '1000000'
    expect 1 run tiny.lua --db newer.db
    cmp -s newer.db before || fault "a database of a newer version was changed"
fi

# ---- names that would play with the terminal ----
if command -v sqlite3 > /dev/null; then
    sqlite3 results/tiny.db "update study set name = 'a' || char(27) || '[2J' || char(10) || '\"b,' || char(8238)"
    expect 0 table results/tiny.db
    if grep -q "$(printf '\033')" out; then fault "an escape sequence reached the terminal raw"; fi
    says out '\\x1b\[2J\\n"b,\\u202e'
    expect 0 table results/tiny.db --json
    says out 'a\\u001b\[2J\\u000a\\"b,\\u202e'
    expect 0 table results/tiny.db --csv
    says out '""b,'
fi
finish
