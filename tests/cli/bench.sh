#!/bin/sh
# SPDX-License-Identifier: MIT
# cellbench bench: its tables, its samples in the database, turns with another program, and ends of
# all kinds. No time is asserted.
. "$(dirname "$0")/lib.sh"
command -v sqlite3 > /dev/null || { echo "skipped: needs sqlite3"; exit 77; }

ask() {
    sqlite3 "$1" "$2"
}
quick='--rounds 3 --sample-ms 1 --shape 3,2,4,6'

# ---- wrong usage and bad input ----
expect 2 bench lstm --phase later
says err "expected train, forward or first, got 'later'"
expect 2 bench lstm --also lengths,three
says err "expected lengths, denormals or two, got 'three'"
expect 2 bench lstm --also two --core 0
expect 2 bench lstm --turns
says err '--turns needs --db'
expect 2 bench lstm --values f --db x.db
says err '--values times nothing'
expect 1 bench lstm gru --values f --shape 2,2,2,2
says err 'one cell and one shape, got 2'
expect 1 bench lstm --baseline lstn --shape 2,2,2,2
says err "'lstn' is not among the cells to time, did you mean 'lstm'"
expect 1 bench clockwork --shape 2,2,2,6
says err 'clockwork'
[ ! -e x.db ] || fault "a database was made for nothing"

# ---- tables ----
# shellcheck disable=SC2086
expect 0 bench lstm rnn $quick --also lengths,denormals,two --csv --markdown table.md
says out '^T,B,I,H,layers,cell,as,phase,ms,' ',lstm,"",train,' ',rnn,lengths,train,' ',rnn,two,'
same "rows" "$(wc -l < out)" 9
same "bases" "$(tr -d '\r' < out | sed 1d | cut -d, -f20 | sort | uniq -c | tr -s ' ' | tr '\n' ';')" \
    ' 1 ""; 1 lstm; 6 plain;'
says table.md '^| T | B |' '^| --- ' '^| 3 | 2 | 4 | 6 | 1 | rnn | two | train |'
same "lines of Markdown" "$(wc -l < table.md)" 10
expect 0 bench --rounds 1 --sample-ms 1 --shape 2,2,3,6 --csv
says err 'left out at I 3, H 6: .*clockwork'
says out ',gru-after,' ',coupled,'
expect 1 bench lstm --shape 2,2,2,2 --rounds 1 --sample-ms 1 --markdown nowhere/table.md
says err 'nowhere/table.md'

# ---- the database ----
# shellcheck disable=SC2086
expect 0 bench lstm rnn $quick --db speed.db --also lengths
same "samples and parts" "$(ask speed.db "select part = 'all', count(*) from timing group by 1")" \
    "$(printf '0|60\n1|12')"
same "series" "$(ask speed.db "select cell, frames, n, clock, engine from speed order by 1, 2")" \
    "$(printf 'lstm|5|3|cpu|cellbench\nlstm|6|3|cpu|cellbench\nrnn|5|3|cpu|cellbench\nrnn|6|3|cpu|cellbench')"
same "parts" "$(ask speed.db "select count(*) from speed_part where n = 3 and
    abs(products + gradients + pointwise + packing + rest - 1) < 1e-9")" 4
same "operations" "$(ask speed.db "select distinct flop from timing where part = 'all' and
    cell_id = (select cell_id from cell where name = 'lstm') and frames = 6")" "$((6 * 3 * 2 * 4 * 6 * 10)).0"
same "peaks" "$(ask speed.db "select count(*) from timing where (part = 'all') <> (peak_flop_per_s > 0)")" 0
same "the run" "$(ask speed.db "select state, study_id is null, command like '%bench lstm rnn%' from run")" 'ended|1|1'
expect 0 bench gru --phase first --rounds 2 --sample-ms 1 --shape 1,1,4,6 --db speed.db
same "first" "$(ask speed.db "select phase, n, run_id from speed where cell = 'gru'")" 'first|2|2'
expect 0 status speed.db
expect 0 export speed.db csv
says csv/speed.csv '^run_id,cell,engine'
expect 0 merge all.db speed.db
says out '74 new timings'
expect 0 merge all.db speed.db
says out 'nothing new'
for view in speed speed_part; do
    same "$view of a merged database" "$(ask all.db "select * from $view")" "$(ask speed.db "select * from $view")"
done

# A study's cell is the same row.
cat > one.lua <<'END'
local cb = require "cellbench"
return cb.study { name = "one", task = cb.task.adding { length = 4, train = 10, valid = 5, test = 5 },
  cells = { "lstm" }, hidden = 3, train = { epochs = 1, batch = 5 } }
END
expect 0 run one.lua --db speed.db --quiet
same "cells of one name" "$(ask speed.db "select count(*) from cell where name = 'lstm'")" 1

# ---- stopped and killed ----
"$cellbench" bench lstm --shape 3,2,4,6 --rounds 10000 --sample-ms 1 --db stop.db > out 2> err &
pid=$!
until [ "$(ask stop.db 'select count(*) from timing' 2> /dev/null || echo 0)" -gt 20 ]; do sleep 0.1; done
kill -TERM "$pid"
wait "$pid"
same "stopped" "$?" 130
says err 'what was measured is in the database'
same "its run" "$(ask stop.db "select state from run")" ended
same "rounds without a gap" "$(ask stop.db "select count(*) - max(sample) - 1 from timing where part = 'all'")" 0
"$cellbench" bench lstm --shape 3,2,4,6 --rounds 10000 --sample-ms 1 --db stop.db > out 2> err &
pid=$!
until [ "$(ask stop.db 'select count(*) from timing where run_id = 2' 2> /dev/null || echo 0)" -gt 20 ]; do sleep 0.1; done
kill -KILL "$pid"
wait "$pid" 2> /dev/null
expect 0 bench lstm --shape 3,2,4,6 --rounds 1 --sample-ms 1 --db stop.db
same "the killed run" "$(ask stop.db "select state from run where run_id = 2")" lost
same "its rounds" "$(ask stop.db "select count(*) - max(sample) - 1 from timing where part = 'all' and run_id = 2")" 0
same "integrity" "$(ask stop.db 'pragma integrity_check')" ok

# ---- turns with another program ----
line() { # KERNEL NANOSECONDS [CELL] [PHASE]
    printf '{"cell": "%s", "shape": [3, 2, 4, 6, 1], "phase": "%s", "engine": "other", "version": "7",' \
        "${3:-lstm}" "${4:-train}"
    printf ' "kernel": "%s", "clock": "cpu", "repeats": 2, "duration_ns": %s}\n' "$1" "$2"
}
turns() { # what stands in the file turns, against two rounds of lstm
    "$cellbench" bench lstm --rounds 2 --sample-ms 1 --shape 3,2,4,6 --db turns.db --turns < turns > out 2> err
}
{ line slow 1000000; line fast 10; line slow 77 lstm first; echo; line slow 3000000; echo; } > turns
turns || fault "turns: $(cat err)"
says out '^turn 0$' '^turn 1$'
same "their samples" "$(ask turns.db "select kernel, phase, sample, repeats, duration_ns, flop > 0,
    peak_flop_per_s > 0 from timing where engine = 'other' order by timing_id")" \
    "$(printf 'slow|train|0|2|1000000|1|1\nfast|train|0|2|10|1|1\nslow|first|0|2|77||1\nslow|train|1|2|3000000|1|1')"
same "ratios" "$(ask turns.db "select cell, engine, kernel, version, n, faster > 1 from speed_ratio order by kernel")" \
    "$(printf 'lstm|other|fast|7|1|0\nlstm|other|slow|7|2|1')"
refused() { # MESSAGE
    before=$(ask turns.db "select count(*) from timing where engine <> 'cellbench'")
    count=$((count + 1))
    turns && fault "turns: expected a failure: $1"
    says err "^cellbench: turn 0: $1"
    same "nothing of it is stored" "$(ask turns.db "select count(*) from timing where engine <> 'cellbench'")" "$before"
}
{ line slow 5; echo "no JSON"; echo; } > turns
refused 'line 2: sample: '
{ line slow 5 gru; echo; } > turns
refused "line 1: a sample of 'gru', 3,2,4,6,1, train, which is not timed here"
{ line slow 0; echo; } > turns
refused 'line 1: repeats, duration_ns'
{ line slow 5 | sed 's/"other"/"cellbench"/'; echo; } > turns
refused 'line 1: engine'
{ line slow 5 | sed 's/"version": "7",//'; echo; } > turns
refused 'line 1: sample: '
{ line slow 5 | sed 's/"clock"/"watch": 1, "clock"/'; echo; } > turns
refused 'line 1: sample: '
{ line slow 5; line slow 6; echo; } > turns
refused '.*UNIQUE'
{ line slow 5; head -c 5000 /dev/zero | tr '\0' ' '; } > turns
refused 'line 2: expected lines of less than'
{ line slow 5; printf '\0\n'; } > turns # no empty line
refused 'line 2: sample: '
line slow 5 > turns
refused "the other program's input ended"

# ---- values ----
expect 0 bench lstm --shape 3,2,4,6 --values values.safetensors
same "header" "$(tail -c +9 values.safetensors | head -c 2000 | grep -ao '"gradient/1.R_f":{"dtype":"F32","shape":\[6,6\]' | wc -l)" 1
finish
