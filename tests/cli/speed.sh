#!/bin/bash
# SPDX-License-Identifier: MIT
# speed.sh CELLBENCH ROOT: the scripts around cellbench bench: the page of results/speed.md, scripts/speed
# on a small part, and scripts/baseline-torch as far as it goes without PyTorch.
. "$(dirname "$0")/lib.sh"
root=$2

# ---- the page ----
bench() {
    expect 0 bench "$@" --rounds 3 --sample-ms 1 --db speed.db
}
bench lstm gru --shape 100,16,32,64 --also lengths,denormals
bench lstm rnn --shape 100,1,32,32
bench lstm --also two --shape 100,16,32,64
printf 'state h\nh'"'"' = tanh(W x + R h + b)\n' > own.cell
bench --file "$folder/own.cell" rnn --shape 100,1,32,32
line() { # KERNEL NANOSECONDS
    printf '{"cell": "lstm", "shape": [100, 1, 32, 32, 1], "phase": "train", "engine": "torch", "version": "2"'
    printf ', "kernel": "%s", "clock": "cpu", "repeats": 1, "duration_ns": %s}\n' "$1" "$2"
}
{ line nn.LSTM 1; echo; line nn.LSTM 1; echo; line nn.LSTM 1; echo; } |
    "$cellbench" bench lstm --shape 100,1,32,32 --rounds 3 --sample-ms 1 --turns --db speed.db > out ||
    fault "turns failed"
expect 0 lua "$root/scripts/speed_report.lua" speed.db page.md
says page.md '^# Speed' '^| nn.LSTM: geometric mean over 1 shapes | >= 1.35 | 0.00 | \*\*not met\*\* |' \
    '^| nn.GRU: geometric mean over 0 shapes | >= 2.5 | - | not measured |' \
    '^| denormal inputs: largest ratio of times | <= 1.05 | [0-9.]* | ' \
    '^| unequal lengths, B >= 32: .* | - | not measured |' '^| the same, B = 16 | <= 1.25 | [0-9.]* |' \
    '^| two workers: least throughput | >= 1.85 times one | [0-9.]* |' \
    '^| 100,16,32,64 | lstm | [0-9.]* | [0-9.]* | [0-9.]* | [0-9.]* | [0-9.]* |' \
    '^- cellbench .*, numerics' '^- torch 2, one thread' '^cellbench bench lstm gru --shape 100,16,32,64'
expect 1 lua "$root/scripts/speed_report.lua" nowhere.db
says err 'nowhere.db'

# ---- scripts/speed ----
count=$((count + 4))
"$root/scripts/speed" --help > out || fault "scripts/speed --help"
says out '^usage: scripts/speed'
"$root/scripts/speed" shaeps > out 2> err && fault "scripts/speed takes any word"
says err "unexpected argument 'shaeps'"
"$root/scripts/speed" --cellbench "$cellbench" --db first.db --rounds 1 first > out || fault "scripts/speed first"
[ "$(sqlite3 first.db "select count(*) from speed where phase = 'first'")" -ge 7 ] ||
    fault "scripts/speed first: cells are missing"

# ---- scripts/baseline-torch, without PyTorch ----
command -v python3 > /dev/null || finish
torch=$root/scripts/baseline-torch
python3 "$torch" --help > out || fault "baseline-torch --help"
says out 'nn.LSTM against lstm' '--only'
python3 "$torch" --only lsmt > out 2> err && fault "baseline-torch takes any word"
says err "got 'lsmt'"
if ! python3 -c 'import torch' 2> /dev/null; then
    python3 "$torch" --db none.db > out 2> err && fault "baseline-torch: no PyTorch, and no failure"
    says err '^baseline-torch: needs PyTorch'
    [ ! -e none.db ] || fault "baseline-torch made a database for nothing"
fi
expect 0 bench lstm --shape 3,2,4,6 --values values.safetensors
PYTHONDONTWRITEBYTECODE=1 python3 - "$torch" > out 2>&1 <<'END' || fault "values: $(cat out)"
import importlib.machinery, importlib.util, sys
loader = importlib.machinery.SourceFileLoader("baseline", sys.argv[1])
baseline = importlib.util.module_from_spec(importlib.util.spec_from_loader("baseline", loader))
loader.exec_module(baseline)
values = baseline.read_values("values.safetensors")
assert values["weight/1.W_i"][0] == [6, 4] and len(values["y"][1]) == 3 * 2 * 6
same = {name: list(v[1]) for name, v in values.items() if name in ("y", "dx") or "gradient" in name}
assert len(same) == 2 + 12
assert baseline.check(values, same) == (None, 0)
near = {name: [v * (1 + 1e-6) for v in list_] for name, list_ in same.items()}
assert baseline.check(values, near)[0] is None
for bad in (1e-3, float("nan"), float("inf")):
    other = dict(same, dx=same["dx"][:-1] + [same["dx"][-1] + bad])
    wrong, worst = baseline.check(values, other)
    assert wrong.startswith("dx differs"), wrong
    assert worst > baseline.LIMIT
assert baseline.check(values, dict(same, y=same["y"][1:]))[0].startswith("y differs")
del same["gradient/1.b_f"]
assert baseline.check(values, same)[0] == "gradient/1.b_f is not among its results"
END
finish
