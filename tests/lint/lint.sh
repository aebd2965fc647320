#!/bin/bash
# SPDX-License-Identifier: MIT
# lint.sh ROOT RULE: one rule of the tree's structure, see the functions below. Prints what breaks
# it as file:line: text, and fails if there is any. Exit code 77: skipped, with the reason.
# shellcheck disable=SC2317 # rules are called by their names
set -euo pipefail

cd "$1"
rule=$2
readonly modules='base cell kernels engine tasks train store sweep stats bench report script cli'
broken=0

complain() {
    printf '%s\n' "$*"
    broken=1
}

skip() {
    printf 'skipped: %s\n' "$*"
    exit 77
}

# Which modules a module may use besides itself, what those may use included.
may_use() {
    case $1 in
    base) ;;
    cell | kernels | tasks | stats) echo base ;;
    store) echo base stats ;;
    engine) echo base cell kernels ;;
    train) echo base cell kernels engine tasks ;;
    bench | sweep) echo base cell kernels engine tasks train store ;;
    report) echo base store stats ;;
    script | cli) echo "$modules" ;;
    esac
}

# The module whose interface a public header is.
module_of_public() {
    case $1 in
    status | memory | random | setting) echo base ;;
    stats_*) echo stats ;;
    task) echo tasks ;;
    compare | importance | reproduction) echo report ;;
    fanova) echo stats ;;
    *) echo "$1" ;;
    esac
}

# "file:line:header" of each include in C files below the folders named.
includes() {
    find "$@" -name '*.[ch]' -exec grep -HnE '^[[:space:]]*#[[:space:]]*include' {} + |
        sed -E 's/^([^:]*:[0-9]+:)[[:space:]]*#[[:space:]]*include[[:space:]]*["<]([^">]*)[">].*/\1\2/'
}

# A dependency has one gate: its header is included behind it and nowhere else.
rule_gates() {
    local file line header gate
    while IFS=: read -r file line header; do
        case $header in
        blis.h | *cblas.h) gate='core/kernels/' ;;
        sqlite3.h | sqlite3ext.h) gate='core/(store|stats)/' ;;
        lua.h | lauxlib.h | lualib.h | lua5.4/*) gate='core/script/' ;;
        jansson.h) gate='core/base/json.h' ;;
        *) continue ;;
        esac
        [[ $file =~ ^$gate ]] || complain "$file:$line: $header may only be included in $gate"
    done < <(includes core variants)
}

# Modules use only those below them, be it by internal or by public headers.
rule_dependencies() {
    local file line header module used
    while IFS=: read -r file line header; do
        module=${file#core/}
        module=${module%%/*}
        if [[ $module == include ]]; then
            module=$(basename "$file" .h)
            module=$(module_of_public "$module")
            [[ $header == cellbench/* || $header != */*.h ]] ||
                complain "$file:$line: a public header includes $header, which is not public"
        fi
        [[ " $modules " == *" $module "* ]] || complain "$file: unknown module '$module'"
        used=${header%%/*}
        [[ $used == cellbench ]] && used=$(module_of_public "$(basename "$header" .h)")
        [[ " $modules " == *" $used "* && $header == */* ]] || continue
        [[ $module/$header == tasks/cellbench/cell.h ]] && continue # for cb_input_kind
        [[ " $module $(may_use "$module") " == *" $used "* ]] ||
            complain "$file:$line: $module may not use $used ($header)"
    done < <(includes core)
}

# The table of cells belongs to the command and the Lua module: the library links without it.
# Variants stand alone: each includes public headers, and no other variant.
rule_registry() {
    local file line header text
    while IFS=: read -r file line text; do
        complain "$file:$line: cb_variants may only be named in core/script, core/cli and variants"
    done < <(grep -rnw cb_variants core --include='*.[ch]' |
        grep -vE '^core/(script|cli|include)/|:[[:space:]]*(/?\*|//)' || :)
    while IFS=: read -r file line header; do
        case $header in
        */*)
            [[ $header == cellbench/* || $header == sys/* ]] ||
                complain "$file:$line: a variant includes $header, which is not public"
            ;;
        *)
            [[ ! -e variants/$header || $header == table.h ]] ||
                complain "$file:$line: a variant includes another ($header)"
            ;;
        esac
    done < <(includes variants)
}

rule_names() {
    local name
    while read -r name; do
        complain "$(find core variants -name "$name" | paste -sd' '): file names are unique"
    done < <(find core variants -name '*.[ch]' -printf '%f\n' | sort | uniq -d)
}

rule_spdx() {
    local file
    while read -r file; do
        head -n 2 "$file" | grep -q 'SPDX-License-Identifier: MIT' ||
            complain "$file:1: the SPDX line is missing"
    done < <(find core variants tests scripts experiments .ci CMakeLists.txt -type f \
        \( -name '*.[ch]' -o -name '*.sh' -o -name '*.lua' -o -name '*.sql' -o -name '*.cmake' \
        -o -name CMakeLists.txt -o -path 'scripts/run' -o -path 'scripts/test' -o -path '.ci/run' \) \
        -not -path '*/corpus/*')
}

# Allocation goes through the table of base/alloc.h; only the command prints or ends the process.
rule_calls() {
    local file line text
    while IFS=: read -r file line text; do
        complain "$file:$line: allocates beside base/alloc.h:$text"
    done < <(grep -rnE '(^|[^[:alnum:]_.>])(malloc|calloc|realloc|free|strdup|strndup|asprintf|aligned_alloc|posix_memalign) ?\(' \
        core variants --include='*.[ch]' |
        grep -vE '^core/base/(memory|json)\.c:|:[[:space:]]*(/?\*|//)' || :)
    while IFS=: read -r file line text; do
        complain "$file:$line: the library prints or ends the process:$text"
    done < <(grep -rnE '(^|[^[:alnum:]_.>])(printf|puts|putchar|perror|abort|exit) ?\(|(stdout|stderr)[,)]' \
        core variants --include='*.[ch]' |
        grep -vE '^core/cli/|:[[:space:]]*(/?\*|//)' || :)
}

# Each public header compiles alone, as C and as C++, without a warning.
rule_headers() {
    local header cxx unit='extern int one_declaration;' # a header may be all comments
    cxx=$(command -v c++ || command -v g++ || command -v clang++) || skip 'no C++ compiler'
    for header in core/include/cellbench/*.h; do
        "${CC:-cc}" -x c -std=c11 -Wall -Wextra -Wpedantic -Wstrict-prototypes -Wundef -Werror \
            -fsyntax-only -Icore/include -include "$header" - <<<"$unit" || complain "$header: not C"
        "$cxx" -x c++ -std=c++11 -Wall -Wextra -Wpedantic -Wundef -Werror \
            -fsyntax-only -Icore/include -include "$header" - <<<"$unit" || complain "$header: not C++"
    done
}

# A test that leaves something out says why, in words that scripts/test gathers.
rule_skips() {
    local place
    while read -r place; do
        complain "$place: skips without a line 'skipped: <reason>' just before"
    done < <(find tests \( -name '*.[ch]' -o -name '*.sh' \) -exec awk '
        FNR == 1 { told = -9 }
        /skipped: / { told = FNR }
        /(^|[^[:alnum:]_])skip\(\);|exit 77/ && FNR > told + 2 { print FILENAME ":" FNR }' {} +)
}

rule_shell() {
    local scripts
    command -v shellcheck >/dev/null || skip 'shellcheck is not installed'
    mapfile -t scripts < <(find scripts tests .ci -name '*.sh' -o -path scripts/run \
        -o -path scripts/test -o -path .ci/run)
    shellcheck -x -P SCRIPTDIR -s bash -S warning "${scripts[@]}" || broken=1
}

"rule_$rule"
exit "$broken"
