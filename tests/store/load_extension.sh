#!/bin/bash
# SPDX-License-Identifier: MIT
# load_extension.sh EXTENSION: it loads in the stock sqlite3 shell, and works there.
set -euo pipefail

command -v sqlite3 >/dev/null || {
    echo 'skipped: sqlite3 is not installed'
    exit 77
}
[[ ${CELLBENCH_SANITIZED:-} != 1 ]] || {
    echo 'skipped: the shell has no sanitizer for the extension to report to'
    exit 77
}

readonly values="(VALUES ('gru', 1), ('gru', 2), ('gru', 4), ('lstm', 3), ('lstm', 5), ('lstm', 7))"

got=$(sqlite3 :memory: ".load $1" \
    "SELECT column1, median(column2), round(mean_low(column2), 3) FROM $values GROUP BY column1" \
    "SELECT round(welch_t(column2, column1), 4), cliffs_delta(column2, column1) FROM $values")
expected=$'gru|2.0|-1.461\nlstm|5.0|0.032\n-1.8353|-0.777777777777778'
[[ $got == "$expected" ]] || {
    printf 'expected:\n%s\ngot:\n%s\n' "$expected" "$got"
    exit 1
}
! sqlite3 :memory: ".load $1" "SELECT median('many')" 2>/dev/null
