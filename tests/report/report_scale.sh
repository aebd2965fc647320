#!/bin/sh
# SPDX-License-Identifier: MIT
# A study of 20,000 trials with a million epochs: the report within 10 s, its file below 10 MB, open
# in a browser within 2 s more than an empty page; in processor time, which other work does not change.
scripts=$(realpath "$(dirname "$0")")
. "$scripts/../cli/lib.sh"
command -v sqlite3 > /dev/null || { echo 'skipped: needs sqlite3'; exit 77; }

cat > large.lua <<'END'
local cb = require "cellbench"
return cb.study {
  name = "large",
  task = cb.task.adding { length = 8, train = 20, valid = 10, test = 10 },
  cells = { "rnn", "gru", "lstm", "coupled", "peephole", "gru-after" }, hidden = 3,
  space = { rate = cb.choice { 0.01 } },
  train = { epochs = 1, batch = 10 },
}
END
expect 0 run large.lua --jobs 2 --quiet
sed 's/CONFIGS/667/g; s/SEEDS/5/g; s/EPOCHS/25/g' "$scripts/grow.sql" | sqlite3 large.db || fault 'grow.sql'
same 'trials and epochs' "$(sqlite3 large.db 'select count(*) > 20000 from trial; select count(*) > 1000000 from epoch' | xargs)" '1 1'
# Milliseconds of processor time of all commands until then: other work on the machine does not
# count. (times, not in a pipe, where it would tell of that.)
used() {
    awk 'NR == 2 { for (i = 1; i <= 2; i++) { split($i, t, /[ms]/); n += 60000 * t[1] + 1000 * t[2] } print int(n) }' "$1"
}
times > before
expect 0 report large.db -o large.html
times > after
took=$(($(used after) - $(used before)))
size=$(wc -c < large.html)
echo "report: $took ms of processor time, $size bytes"
[ "$took" -le 10000 ] || fault "the report took $took ms"
[ "$size" -lt 10000000 ] || fault "the page has $size bytes"
says large.html 'are drawn, evenly spaced'

browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome) ||
    { echo 'skipped: no chromium: opening is not timed'; finish; }
echo '<html><body></body></html>' > empty.html
open_page() { # FILE: what it takes goes to the file `took`
    times > before
    HOME=$folder timeout 150 "$browser" --headless --no-sandbox --disable-gpu --no-first-run \
        --proxy-server=http://127.0.0.1:9 --user-data-dir="$folder/profile" \
        --dump-dom "file://$folder/$1" > dom 2> log
    times > after
    echo $(($(used after) - $(used before))) > took
}
open_page empty.html # makes the profile
open_page empty.html
idle=$(cat took)
open_page large.html
full=$(cat took)
says dom 'data-ready="yes"'
echo "browser: $full ms of processor time, an empty page $idle ms"
[ $((full - idle)) -le 2000 ] || fault "the page took $((full - idle)) ms to open"
finish
