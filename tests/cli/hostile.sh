#!/bin/sh
# SPDX-License-Identifier: MIT
# Names and texts that would play with a terminal, a shell, SQL, HTML or a spreadsheet: in a study
# they are refused at their line, or carried safely through every command; in a database that
# somebody else wrote, every command reads or refuses it, and no control character gets out.
. "$(dirname "$0")/lib.sh"
# What a sanitizer finds is not to be taken for an error that the command tells.
export ASAN_OPTIONS="exitcode=99:${ASAN_OPTIONS-}" UBSAN_OPTIONS="exitcode=99:${UBSAN_OPTIONS-}"

# clean FILE WHAT: UTF-8 text, nothing below a space but newlines, no other control, nothing that
# turns the direction of writing.
clean() {
    count=$((count + 1))
    if LC_ALL=C tr -d '\n\040-\176\200-\377' < "$1" | grep -q .; then
        fault "$2: a control character got out"
    elif ! iconv -f UTF-8 -t UTF-8 < "$1" > /dev/null 2>&1; then
        fault "$2: what got out is not UTF-8"
    elif LC_ALL=C grep -q "$(printf '\302[\200-\237]\\|\342\200[\213-\217\250-\256]')" "$1"; then
        fault "$2: a hidden character got out"
    fi
}

# reads DB WHAT [brief]: every command that reads a database; each ends by itself with 0 or 1, and
# nothing but text gets out.
reads() {
    if [ "${3-}" = brief ]; then
        set -- "$1" "$2" "status $1 --live" "table $1 --trials --json" "verify $1 1"
    else
        set -- "$1" "$2" "status $1" "status $1 --runs" "status $1 --failed" "status $1 --live" \
            "table $1" "table $1 --trials" "compare $1" "importance $1" "verify $1 1" "merge m.db $1" \
            "status $1 --json" "table $1 --trials --json" "compare $1 --json" "importance $1 --json"
    fi
    what=$2
    shift 2
    rm -f m.db
    for arguments; do
        # shellcheck disable=SC2086
        timeout 20 "$cellbench" $arguments > out 2> err < /dev/null
        status=$?
        count=$((count + 1))
        [ "$status" -le 1 ] || fault "$what: $arguments: exit status $status: $(head -c 300 err)"
        clean out "$what: $arguments: stdout"
        clean err "$what: $arguments: stderr"
        case "$arguments" in *--json)
            if [ "$status" -eq 0 ] && command -v jq > /dev/null; then
                jq -e . out > /dev/null || fault "$what: $arguments: bad JSON"
            fi ;;
        esac
    done
}

# study FILE NAME SOURCE SET: Lua literals.
study() {
    cat > "$1" <<EOF
local cb = require "cellbench"
return cb.study {
  name  = $2,
  task  = cb.task.adding { length = 8, train = 20, valid = 10, test = 10 },
  cells = { "rnn", cb.cell {
    name = "own", source = $3, set = { mode = $4 },
    text = function() return "state h\nh' = relu(W x + R h + b)" end } },
  hidden = 3, train = { epochs = 1, batch = 10 },
}
EOF
}

# ---- what a study says: whether it may be its name, and a Lua literal ----
cat > names <<'EOF'
ok    'quote"s \'here\''
ok    "x'); drop table study; --"
ok    '<script>alert(1)</script>&amp;'
ok    '$(touch pwned) `touch pwned`; touch pwned'
ok    '../../etc/passwd'
ok    '%s%n%d\\x1b'
ok    'a "" b,,c;d|e'
ok    'häuser 漢字 русский'
bad   ''
bad   '   '
bad   'two\nlines'
bad   'carriage\rreturn'
bad   'a\tb'
bad   'NUL\0here'
bad   'esc\27[2J\27]0;title\7'
bad   'delete\127'
bad   'c1 \xc2\x9b2J'
bad   'rtl \u{202e}txt'
bad   'zero\u{200b}width'
bad   '\u{feff}bom'
bad   'line\u{2028}separator'
bad   'bad \xff\xfe utf'
bad   'cut \xe2\x82'
bad   'surrogate \xed\xa0\x80'
bad   ('x'):rep(100000)
bad   '=cmd|calc!A0'
bad   '+1'
bad   '@sum'
bad   '-rf --help'
bad   3
bad   {}
EOF
n=0
while read -r verdict literal; do
    n=$((n + 1))
    study "n$n.lua" "$literal" '""' '"plain"'
    rm -f n.db
    if [ "$verdict" = bad ]; then
        expect 1 run "n$n.lua" --db n.db
        says err "^cellbench: n$n.lua:2: cb.study: name: expected "
        [ -e n.db ] && fault "name $literal: refused, but a database was made"
    else
        expect 0 run "n$n.lua" --db n.db --jobs 1
        reads n.db "name $literal"
        expect 0 plan "n$n.lua"
    fi
    clean out "name $literal: stdout"
    clean err "name $literal: stderr"
    # As a source, which may have lines, and as a setting of a cell.
    study source.lua '"x"' "$literal" '"plain"'
    "$cellbench" run source.lua --db source.db --jobs 1 > out 2> err < /dev/null
    case $? in
    0) reads source.db "source $literal" brief ;;
    1) says err "^cellbench: source.lua:[0-9]*: cell 'own': source: expected " ;;
    *) fault "source $literal: exit status" ;;
    esac
    clean err "source $literal"
    study set.lua '"x"' '""' "$literal"
    "$cellbench" run set.lua --db set.db --jobs 1 > out 2> err < /dev/null
    case $? in
    0) reads set.db "setting $literal" brief ;;
    1) says err "^cellbench: set.lua:[0-9]*: " ;;
    *) fault "setting $literal: exit status" ;;
    esac
    clean out "setting $literal: stdout"
    clean err "setting $literal: stderr"
done < names
[ -e pwned ] && fault "a name was run by a shell"

# ---- numbers: exit status of plan, what a space holds, what the message names ----
number() {
    cat > number.lua <<EOF
local cb = require "cellbench"
return cb.study {
  name  = "number", task = cb.task.adding { length = 8, train = 20, valid = 10, test = 10 },
  cells = { "rnn" }, hidden = 3, train = { batch = 10 },
  search = cb.random { trials = 2 }, space = { $2 },
}
EOF
    expect "$1" plan number.lua
    [ "$1" -eq 0 ] || says err "^cellbench: number.lua:[0-9]*: " "$3"
}
number 1 'rate = 1e308 * 10' 'rate.*inf'
number 1 'rate = 0/0' 'rate.*nan'
number 1 'rate = cb.uniform(0, 1e400)' 'uniform'
number 1 'rate = cb.uniform(0/0, 1)' 'uniform'
number 1 'rate = cb.log_uniform(-0.0, 1)' 'log_uniform'
number 1 'rate = cb.uniform(-1e308, 1e308)' ''
number 1 'clip = cb.int(1, 1 << 63)' 'int'
number 1 'clip = cb.int(1, 2.0^63)' 'int'
number 1 'clip = cb.int(1, 1e308)' 'int'
number 1 'rate = cb.choice { 0.1, 0/0 }' 'choice'
number 1 'epochs = 2^63' 'epochs'
number 1 'epochs = 1.5' 'epochs'
number 1 'dropout = -1e308' 'dropout'
number 0 'l2 = cb.choice { 0.0, -0.0 }, epochs = 1'
number 0 'rate = 1e-308, epochs = 1'

# ---- a database that somebody else wrote ----
command -v sqlite3 > /dev/null || finish
study base.lua '"base"' '"a source"' '"plain"'
expect 0 run base.lua --db base.db --jobs 1
sqlite3 base.db "pragma foreign_keys = off; pragma journal_mode = delete;
    update trial set state = 'failed' where trial_id = 2;
    update attempt set state = 'failed', error_text = 'why' where trial_id = 2;" > /dev/null
# hostile WHAT TABLES SQL: an expression in place of every text of these, without checks.
hostile() {
    cp base.db h.db
    for table in $2; do
        sqlite3 base.db "select 'update or ignore \"$table\" set \"' || name || '\" = $3;'
            from pragma_table_info('$table') where type = 'TEXT'" |
            sqlite3 -cmd 'pragma ignore_check_constraints = on' h.db 2> /dev/null
    done
    reads h.db "$2: $1"
}
tables=$(sqlite3 base.db "select group_concat(name, ' ') from sqlite_master where type = 'table'")
for table in $tables; do
    hostile escapes "$table" "char(27) || ''[2J'' || char(10, 13, 7, 8, 127, 155, 8238, 8203) || ''\"b,''"
done
# The columns of states and kinds stay as they are: what people name, all at once.
names='study cell task run machine'
hostile escapes "$names" "char(27) || ''[2J'' || char(10, 13, 7, 8, 127, 155, 8238, 8203) || ''\"b,''"
hostile 'a zero and bad UTF-8' "$names setting" "cast(x''41001b5b324affc29b0a'' as text)"
hostile 'a long text' "$names setting specification" "printf(''%.*c'', 100000, ''x'')"
hostile nothing "$tables" "''''"

# ---- CSV and JSON carry what is there ----
name="$(printf 'a"b,c\n=1 \\ \033[2J end ')"
sqlite3 base.db "update study set name = 'a\"b,c' || char(10) || '=1 \\ ' || char(27) || '[2J end '"
expect 0 status base.db --csv
cp out status.csv
expect 0 export base.db csv
same 'status --csv' "$(sqlite3 :memory: '.import --csv status.csv t' 'select study from t')" "$name"
same 'export' "$(sqlite3 :memory: '.import --csv csv/study.csv t' 'select name from t')" "$name"
expect 0 status base.db --json
if command -v jq > /dev/null; then
    same "JSON" "$(jq -r '.[0].study' out)" "$name"
fi
for view in study_1 leaderboard; do
    same "$view" "$(sqlite3 base.db "select count(*) > 0 from $view")" 1
done
finish
