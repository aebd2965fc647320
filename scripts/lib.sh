# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# What scripts/run and scripts/test share: installing what is missing on Debian 12, and building a
# release in build/release. Sourced with the root of the tree as current folder. Both do only what
# is not done yet: no apt when every package is there, no configuring of a configured build.

# Everything that building, running and testing needs. (gnuplot-nox, for figures of a paper, and
# chromium, for tests of the report in a browser, are used where they are, but not installed.)
packages=(
    gcc g++ libc6-dev cmake ninja-build pkgconf
    libblis-dev libjansson-dev liblua5.4-dev libmd-dev librandom123-dev libsqlite3-dev zlib1g-dev
    libcmocka-dev libjs-chart.js lua5.4 sqlite3
)
build_dir=build/release

say() {
    printf '==> %s\n' "$*"
}

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# Packages that are not installed, one a line.
missing_packages() {
    local installed package
    # An unknown name makes dpkg-query fail, but it still lists the others.
    installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "${packages[@]}" 2>/dev/null || :)
    for package in "${packages[@]}"; do
        grep -qx "$package installed" <<<"$installed" || printf '%s\n' "$package"
    done
}

# Runs a command as root; sudo asks for the password where it must.
as_root() {
    if [[ $(id -u) -eq 0 ]]; then
        "$@"
    else
        sudo "$@"
    fi
}

apt() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q "$@"
}

install_missing() {
    local missing
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        say "no apt here: going on without checking for packages; on Debian 12 they are: ${packages[*]}"
        command -v cmake >/dev/null ||
            die "cmake is missing; install what these Debian packages hold: ${packages[*]}"
        return
    fi
    mapfile -t missing < <(missing_packages)
    [[ ${#missing[@]} -eq 0 ]] && return
    if [[ $(id -u) -ne 0 ]] && ! command -v sudo >/dev/null; then
        die "packages are missing, and only root can install them. As root, run:
  apt-get update && apt-get install -y ${missing[*]}"
    fi
    say "installing (as root): ${missing[*]}"
    # The lists are fetched only where apt does not know the packages, or knows versions that the
    # mirror no longer has.
    if ! apt-cache show "${missing[@]}" >/dev/null 2>&1 ||
        ! apt install -y --no-install-recommends "${missing[@]}"; then
        apt update || die "apt-get update failed: is there a network, and a Debian 12 mirror in /etc/apt?"
        apt install -y --no-install-recommends "${missing[@]}" ||
            die "apt-get could not install: ${missing[*]}"
    fi
}

configure() {
    local generator='Unix Makefiles' log=$build_dir/configure.log
    [[ -e $build_dir/build.ninja || -e $build_dir/Makefile ]] && return
    command -v ninja >/dev/null && generator=Ninja
    say "configuring $build_dir"
    rm -rf "$build_dir"
    mkdir -p "$build_dir"
    if ! cmake --preset release -G "$generator" >"$log" 2>&1; then
        cat "$log" >&2
        die "CMake could not configure the build (see above)"
    fi
}

# build TARGET...
build() {
    configure
    say "building $build_dir"
    cmake --build "$build_dir" --parallel "$(nproc)" --target "$@" ||
        die "the build failed (see above)"
}
