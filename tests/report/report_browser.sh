#!/bin/sh
# SPDX-License-Identifier: MIT
# The page in a real browser: no message on its console, no request, every chart drawn, sorting,
# filtering and the theme at work, hostile names inert. A script is put into a copy of the page, and
# its hash into the policy of that copy; what it finds goes into an attribute.
scripts=$(realpath "$(dirname "$0")")
. "$scripts/../cli/lib.sh"
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome) ||
    { echo 'skipped: no chromium'; exit 77; }
command -v sqlite3 > /dev/null || { echo 'skipped: needs sqlite3'; exit 77; }
[ -e /usr/share/javascript/chart.js ] || { echo 'skipped: libjs-chart.js is not installed'; exit 77; }

# dom PAGE: its elements after all scripts go to the file dom, the browser's log to log.
dom() {
    count=$((count + 1))
    HOME=$folder timeout 90 "$browser" --headless --no-sandbox --disable-gpu --no-first-run \
        --disable-background-networking --disable-component-update --disable-sync --disable-extensions \
        --proxy-server=http://127.0.0.1:9 --user-data-dir="$folder/profile" --enable-logging=stderr \
        --window-size=1200,900 --virtual-time-budget=8000 --dump-dom "file://$folder/$1" > dom 2> log ||
        fault "$browser $1: status $?"
    grep 'CONSOLE' log && fault "$1: a message on the console"
    says dom 'data-ready="yes"'
    grep -q 'PWNED' dom && grep -q '<title>PWNED' dom && fault "$1: a script from the database ran"
}

# with_script PAGE FILE: a copy, tested.html, with that script at its end.
with_script() {
    hash=$(printf '%s' "$(cat "$2")" | sha256sum | cut -c1-64 | tr a-f A-F | basenc --base16 -d | base64)
    awk -v hash="$hash" '
        /Content-Security-Policy/ { sub(/script-src /, "script-src '"'"'sha256-" hash "'"'"' ") }
        { print }' "$1" | sed '/^<\/body>$/,$d' > tested.html
    { printf '<script>'; printf '%s' "$(cat "$2")"; printf '</script>\n</body>\n</html>\n'; } >> tested.html
}

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
expect 0 report tiny.db -o page.html
dom page.html
charts=$(grep -c '<canvas role' page.html)
same 'charts drawn' "$(grep -oE 'data-drawn="[0-9]+"' dom)" "data-drawn=\"$charts\""
[ "$charts" -ge 7 ] || fault "only $charts charts"

cat > probe.js <<'END'
"use strict";
(function () {
  var said = [];
  function check(what, holds) { if (!holds) said.push(what); }
  function column(table, i) {
    return Array.prototype.map.call(table.tBodies[0].rows, function (row) { return +row.cells[i].getAttribute("data-value"); });
  }
  function ordered(list, sign) {
    return list.every(function (v, i) { return i === 0 || sign * (v - list[i - 1]) >= 0; });
  }
  var table = document.querySelector("table.main");
  var head = table.tHead.rows[0].cells[1];
  check("no button to sort", head.querySelector("button"));
  head.querySelector("button").click();
  check("ascending", ordered(column(table, 1), 1) && head.getAttribute("aria-sort") === "ascending");
  head.querySelector("button").click();
  check("descending", ordered(column(table, 1), -1) && head.getAttribute("aria-sort") === "descending");
  table.tHead.rows[0].cells[0].querySelector("button").click();
  check("one column is sorted", table.querySelectorAll("th[aria-sort=none]").length === table.tHead.rows[0].cells.length - 2);
  var boxes = document.querySelectorAll(".filter input");
  function shown() { return table.querySelectorAll("tbody tr:not([hidden])").length; }
  var all = shown();
  boxes[1].click();
  check("a cell is hidden", shown() === all - 1);
  document.querySelector(".filter button[value=none]").click();
  check("none", shown() === 0 && !boxes[0].checked);
  document.querySelector(".filter button[value=all]").click();
  check("all", shown() === all && boxes[0].checked);
  var before = getComputedStyle(document.body).backgroundColor;
  document.getElementById("theme").click();
  check("theme", getComputedStyle(document.body).backgroundColor !== before);
  window.dispatchEvent(new Event("beforeprint"));
  check("print opens the details", !document.querySelector("details:not([open]):not(.numbers)"));
  window.dispatchEvent(new Event("afterprint"));
  check("a request", performance.getEntriesByType("resource").length === 0);
  check("wider than the window", document.documentElement.scrollWidth <= window.innerWidth);
  document.documentElement.setAttribute("data-probe", said.join("; ") || "fine");
})();
END
with_script page.html probe.js
dom tested.html
same 'probe' "$(grep -oE 'data-probe="[^"]*"' dom)" 'data-probe="fine"'

cp tiny.db hostile.db
sqlite3 hostile.db < "$scripts/hostile.sql" || fault 'hostile.sql'
expect 0 report hostile.db -o hostile.html
dom hostile.html
with_script hostile.html probe.js
dom tested.html
same 'probe of hostile names' "$(grep -oE 'data-probe="[^"]*"' dom)" 'data-probe="fine"'

sqlite3 tiny.db 'delete from setting; delete from study_trial; delete from study'
expect 0 report tiny.db -o nothing.html
dom nothing.html
finish
