#!/bin/sh
# SPDX-License-Identifier: MIT
# What `cellbench report` writes and says: page, tables, figures; databases with little or nothing
# in them; names that would play with HTML, gnuplot, Markdown or LaTeX.
scripts=$(realpath "$(dirname "$0")")
. "$scripts/../cli/lib.sh"

cat > tiny.lua <<'END'
local cb = require "cellbench"
return cb.study {
  name = "tiny",
  task = cb.task.adding { length = 8, train = 40, valid = 10, test = 10 },
  cells = { "rnn", "gru", "lstm", "coupled" }, hidden = 3, seeds = 3,
  space = { rate = cb.choice { 0.001, 0.01, 0.02 } },
  train = { epochs = 3, batch = 10 },
}
END
expect 0 run tiny.lua --jobs 2 --quiet

# ---- a reproduction ----
cat > again.lua <<'END'
local cb = require "cellbench"
local given = cb.arguments { trials = 3 }
return cb.study {
  name = "again",
  task = cb.task.adding { length = 8, train = 40, valid = 10, test = 10 },
  cells = { "rnn", "gru" }, hidden = 3, seeds = "own",
  search = cb.random { trials = given.trials, draws = "own" },
  factors = { size = cb.log_uniform(1e-3, 1e-1) },
  space = { rate = function(s) return s.size / 2 end },
  train = { epochs = 2, batch = 10 },
  reproduces = {
    paper = "A paper", baseline = "rnn", trials = 9, margin = 10, margin_why = "so", best = 0.5,
    claims = {
      { cell = "gru", expected = "no difference", certainty = "memory" },
      { setting = "size", above = 0.5, certainty = "published" },
    },
  },
}
END
expect 0 run again.lua trials=4 --db again.db --quiet
expect 0 report again.db --reproduction again.md
says out '^trials  *4 of each cell' '^claims  *1 agree, 0 disagree, 1 cannot be told'
says again.md '^# again$' '| gru | no difference | memory | .*\*\*agrees\*\*' \
    '4 trials of each cell; the paper has 9' 'run again.lua trials=4 --db again.db --quiet'
expect 0 run again.lua trials=6 --db again.db --quiet
expect 0 export again.db again-csv
same 'nothing is done twice' "$(wc -l < again-csv/attempt.csv)" 13
expect 0 report again.db --study again --reproduction again.md
says again.md '6 trials of each cell'
expect 1 report tiny.db --reproduction none.md
says err 'no study reproduces'
[ -e none.md ] && fault 'a page was written in spite of an error'
expect 2 report again.db --reproduction again.md --latex x.tex
says err 'exclude each other'
expect 0 importance again.db --setting size --setting hidden
grep -q 'rate' out && fault 'a setting that was not asked for'

# ---- the page ----
expect 0 report tiny.db
says out '^page  *tiny.html'
expect 0 report tiny.db -o page.html
says page.html 'Content-Security-Policy' "default-src 'none'" '<h1 id="p1"><bdi>tiny</bdi></h1>' \
    'id="p1-answer"' 'id="p1-repeat"' "tanh(W x + R h + b)" 'cellbench verify' 'scope="col"' '</html>'
grep -qiE '(src|href)="?(https?:)?//' page.html && fault 'the page names something outside'
same 'parts of files left behind' "$(find . -name '*.tmp*')" ''
same 'ids are unique' "$(grep -oE ' id="[^"]*"' page.html | sort | uniq -d)" ''
expect 0 report tiny.db -o plain.html --charts none
says plain.html 'Without interactive charts'
grep -q '<canvas' plain.html && fault 'a canvas without charts'
expect 1 report tiny.db -o bad.html --charts tiny.lua
says err 'expected Chart.js'
[ -e bad.html ] && fault 'a page was written in spite of an error'
expect 1 report tiny.db -o no/such/folder/page.html
says err 'no/such/folder'
expect 1 report tiny.db --study tyni
says err "did you mean 'tiny'"
expect 2 report
expect 1 report nowhere.db

# ---- tables for a paper ----
expect 0 report tiny.db --markdown table.md --latex table.tex
says table.md '^| cell | test | 95 % interval | n |' '^| gru | ' 'lower is better' 'Holm'
same 'columns' "$(grep '^|' table.md | awk -F' [|] ' '{ print NF }' | sort -u)" 6
says table.tex '^.begin{tabular}{lrrrrr}' '^gru & ' 'bottomrule'
[ -e tiny.html.x ] && fault 'a page nobody asked for'

# ---- figures ----
if command -v gnuplot > /dev/null; then
    expect 0 report tiny.db --figures figures
    says out '^figures'
    for name in seeds search valid pairs; do
        head -c 5 "figures/tiny-$name.pdf" | grep -q '%PDF-' || fault "figures/tiny-$name.pdf"
        says "figures/tiny-$name.svg" '<svg' '</svg>'
    done
    says plain.html 'data:image/svg+xml;base64,'
else
    echo 'skipped: gnuplot is not installed: no figures'
fi
env PATH=/nowhere "$cellbench" report tiny.db --figures nothing > out 2> err && fault 'figures without gnuplot'
says err 'gnuplot is not installed.*gnuplot-nox'

# ---- little or nothing ----
cat > one.lua <<'END'
local cb = require "cellbench"
return cb.study { name = "one", cells = { "rnn" }, hidden = 3, train = { epochs = 1, batch = 10 },
  task = cb.task.adding { length = 8, train = 20, valid = 10, test = 10 } }
END
expect 0 run one.lua --quiet
expect 0 report one.db
says one.html 'there is only one cell' 'fewer than three settings'
command -v sqlite3 > /dev/null || { echo 'skipped: the rest needs sqlite3'; finish; }
page_of() { # SQL: the page of tiny.db after it
    cp tiny.db changed.db
    sqlite3 changed.db "$1" || fault "sqlite3: $1"
    expect 0 report changed.db --markdown changed.md --latex changed.tex -o changed.html
    says changed.html '</html>'
    grep -qiE '>-?(nan|inf)' changed.html && fault "NaN or infinity in the page after: $1"
}
page_of "update trial set state = 'diverged'; update attempt set state = 'diverged', valid = null, test = null"
says changed.html 'diverged' 'Nothing to draw'
page_of "update attempt set test = 0.5, valid = 0.5; update epoch set value = 0.5"
page_of "update attempt set test = 9e999, valid = 1e308 where attempt_id % 2; update epoch set value = null"
page_of "delete from epoch"
says changed.html 'no learning curve has been recorded'
page_of "update trial set state = 'pending', result_attempt_id = null where trial_id % 2"
says changed.html 'not finished'
page_of "delete from setting; delete from study_trial; delete from study"
says changed.html 'Nothing to report yet'
cp tiny.db both.db
expect 0 run one.lua --db both.db --quiet
expect 0 report both.db
says both.html '<h1>2 studies' 'href="#p2"' 'id="p2-answer"'
same 'ids of two studies are unique' "$(grep -oE ' id="[^"]*"' both.html | sort | uniq -d)" ''
expect 0 report both.db --study one
grep -q 'id="p2"' both.html && fault '--study one has two'
{
    cat "$scripts/../store/fixtures/schema_1.sql"
    echo 'pragma application_id = 1128418883; pragma user_version = 1;'
} | sqlite3 older.db || fault 'schema_1.sql'
expect 0 report older.db
says older.html 'Nothing to report yet'

# ---- names that would play ----
cp tiny.db hostile.db
sqlite3 hostile.db < "$scripts/hostile.sql" || fault 'hostile.sql'
expect 0 report hostile.db --markdown hostile.md --latex hostile.tex -o hostile.html
grep -q '<script>document' hostile.html && fault 'a script from the database'
grep -qE '<(img|svg) ([^>]* )?on' hostile.html && fault 'an element from the database'
same 'scripts' "$(grep -c '</script>' hostile.html)" "$(grep -c '</script>' page.html)"
says hostile.html '&lt;script&gt;document' 'title="xxxxxxxxxx'
says hostile.tex 'textbackslash{}input'
grep -q 'input{x}' hostile.tex && fault 'LaTeX from the database'
if command -v gnuplot > /dev/null; then
    expect 0 report hostile.db --figures hostile
    [ -e PWNED ] && fault 'gnuplot ran a command'
    grep -lE '<script|<img' hostile/*.svg && fault 'an element from the database in a figure'
fi
finish
