#!/bin/sh
# SPDX-License-Identifier: MIT
# The registry: its list by family, one cell, two cells compared.
. "$(dirname "$0")/lib.sh"

# ---- the list ----
expect 0 cells
says out '^simple$' '^gru$' '^parallel$' '^lstm  *2000  *98816 ' '^[0-9]* cells at I = 64, H = 128'
same "the family of gru stands once" "$(grep -cx gru out)" 1
expect 0 cells --family gru --hidden 32
says out '^gru-after ' '^mgu '
grep -q '^lstm ' out && fault "--family gru lists lstm"
expect 0 cells --family deep --csv
says out '^deep,depth-gated,2015,.*,peephole,' '^deep,highway,2017,'
same "columns" "$(awk -F, 'NR == 1 { print NF }' out)" 14
expect 1 cells --family gruu
says err "unknown family 'gruu', did you mean 'gru'"
expect 1 cells --family nosuch
says err "unknown family 'nosuch'; known are: simple, .*, gru, .*, parallel$"
same "every family stands once in the message" "$(tr -d ' ' < err | sed 's/.*://' | tr ',' '\n' | sort)" \
    "$("$cellbench" cells --csv | sed '1d;s/,.*//' | sort -u)"
expect 1 cells --family ''
says err "unknown family ''; known are: "

# ---- one cell, made from a setting ----
expect 0 cells highway --set steps=10
says out '^  s9 = a9\*t9 + s8\*(1 - t9)$' "^  s' = a10\*t10 + s9\*(1 - t10)$" '^stages of products  *10$'
expect 1 cells highway --set steps=11
says err 'steps: expected a whole number from 1 to 10, got 11'
expect 0 cells sru
says out 'F: fit(x)' '^  output h$'
# Nothing but element-wise work in the loops of what is said to be parallel.
for cell in sru qrnn mingru minlstm t-rnn lru rg-lru; do
    expect 0 cells "$cell" --schedule
    same "$cell: products in its loops" \
        "$(awk '/in the loop/ { on = 1 } /before|after|gradients/ { on = 0 } on && / [A-Z][0-9]*_/' out)" ""
done

# ---- two cells ----
expect 0 cells lstm --diff peephole
says out '^  - i = sigmoid(W x + R h + b)$' '^  + i = sigmoid(W x + R h + p\*c + b)$' \
    "^    c' = f\*c + i\*z$" '^p_i  *-  *128 vector, zero$' '^learned numbers  *98816  *99200$' \
    '^operations, forward  *1024  *1408$' '^fma  *128  *512$'
grep -q '^W_i' out && fault "W_i does not differ"
expect 0 cells lstm --diff lstm-b
says out '^  + init b_f = constant(1)$' '^b_f  *128 vector, zero  *128 vector, constant(1)$'
expect 0 cells lstm --diff greff-np
same "equal cells" "$(grep -c '^  [-+]' out)" 0
grep -q '^parameters' out && fault "equal cells have a table of differences"
expect 0 cells gru --diff mgu --csv
says out '^part,name,gru,mgu' '^text,"",,f = sigmoid' '^parameters,W_r,"128 x 64 full, glorot",'
expect 0 cells gru --diff mgu --json
says out '^\[' '"part": "parameters"'
expect 1 cells lstm --diff lstn
says err "did you mean 'lstm'"

# ---- what does not go together ----
expect 2 cells --diff lstm
expect 2 cells lstm --family gru
expect 2 cells highway --diff lstm --set steps=3
expect 2 cells lstm --diff gru --schedule
finish
