# SPDX-License-Identifier: MIT
# queries.sh CELLBENCH SOURCE EXTENSION: the manual's queries, on a small copy of the quick start.
# One more rate makes some of its trials diverge.
set -eu

cellbench=$1
source=$2
extension=$3
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT

sed -e 's/train = 2000, valid = 500, test = 500/train = 60, valid = 20, test = 20/' \
    -e 's/hidden = 32/hidden = 8/; s/epochs = 15/epochs = 3/; s/0.002, 0.01 }/0.002, 0.01, 1e30 }/' \
    "$source/experiments/quickstart.lua" >"$scratch/quickstart.lua"
grep -q '1e30' "$scratch/quickstart.lua" && grep -q 'train = 60' "$scratch/quickstart.lua"
"$cellbench" run "$scratch/quickstart.lua" --db "$scratch/q.db" --jobs 2 >"$scratch/log" 2>&1 || {
    cat "$scratch/log"
    exit 1
}
command -v sqlite3 >/dev/null || extension=
"$cellbench" lua "$source/tests/cli/queries.lua" "$scratch/q.db" "$source/core/store/DATABASE.md" \
    "$extension"
