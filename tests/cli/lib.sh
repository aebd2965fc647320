# SPDX-License-Identifier: MIT
#
# Helpers for the tests of the command. A test script begins with
#   . "$(dirname "$0")/lib.sh"
# and is called as SCRIPT CELLBENCH. It works in a folder of its own, which is removed at its end.
set -u
cellbench=$(realpath "$1")
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
count=0
bad=0

fault() {
    echo "FAIL: $*"
    bad=$((bad + 1))
}

# expect STATUS ARGUMENT...: runs cellbench; its outputs go to the files out and err.
expect() {
    wanted=$1
    shift
    count=$((count + 1))
    "$cellbench" "$@" > out 2> err < /dev/null
    status=$?
    if [ "$status" -ne "$wanted" ]; then
        fault "cellbench $*: expected exit status $wanted, got $status"
        sed 's/^/  err: /' err
    fi
}

# says FILE PATTERN...: the file holds each (basic regular expression) in some line.
says() {
    file=$1
    shift
    for pattern; do
        count=$((count + 1))
        if ! grep -q -e "$pattern" "$file"; then
            fault "expected a line with '$pattern' in:"
            sed "s/^/  $file: /" "$file"
        fi
    done
}

# same WHAT A B: the two texts are equal.
same() {
    count=$((count + 1))
    [ "$2" = "$3" ] || fault "$1: '$2' is not '$3'"
}

finish() {
    echo "$count checks, $bad failed"
    [ "$count" -gt 0 ] && [ "$bad" -eq 0 ]
    exit
}
