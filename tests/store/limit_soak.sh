#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs a study where something is missing: disk, memory, descriptors, rights, streams, folders.
#
#   tests/store/limit_soak.sh CELLBENCH [--dense 1] [--jobs N]
#
# Each case, with the database whole before: the run succeeds, or says why and ends with status 1; it
# never crashes; no process is left; the database is whole. Then the cause goes, and the same command
# brings the study to its end, with the bits of an undisturbed run. --dense 1 takes ten times as many
# sizes of disk, memory and files. Cases that this machine cannot make are listed as skipped.
dense=0
jobs=2
options="dense jobs"
. "$(dirname "$0")/soak.sh"

write_study study.lua 1 2
run_study calm.db || fault "the undisturbed run: exit status $?"
bits calm.db > calm.bits
cp "$cellbench" program
chmod 755 "$folder" program
chmod 644 study.lua
command="./program run study.lua --db it.db --jobs $jobs $checkpoints"
refused=0
passed=0

# sizes FROM TO STEP, ten times as close with --dense
sizes() {
    seq "$1" $(($3 / (dense ? 10 : 1))) "$2"
}

# case_of NAME SHELL-TEXT: runs that text in a shell; $run in it is the command. Then what must hold.
half='' prepare='' restore='' # 1: from a study that is half done; done before; done when the cause goes
silent=''                      # 1: a message may be lost
case_of() {
    before=$bad
    what=$1
    rm -rf it.* out err
    [ -z "$half" ] || { cp half.db it.db && cp -r half.weights it.weights; }
    [ -z "$prepare" ] || eval "$prepare"
    SOAK_MARK="$$" run=$command sh -c "$2" > out 2> err < /dev/null
    ended=$?
    none_left "$$"
    case $ended in
    0) passed=$((passed + 1)) ;;
    1)
        refused=$((refused + 1))
        [ -n "$silent" ] || grep -q '^cellbench: ' err || fault "$what: exit status 1 without a message"
        ;;
    127) grep -q 'loading shared libraries' err || fault "$what: exit status $ended" ;;
    *) fault "$what: exit status $ended" ;;
    esac
    [ -z "$restore" ] || eval "$restore"
    is_whole_copy it.db
    run_study it.db 2> err_again || fault "$what, and then: exit status $?: $(cat err_again)"
    is_complete it.db calm.bits
    if [ "$bad" -gt "$before" ]; then
        echo "  ($what; it said: $(cat err))"
    fi
}

# A database that holds a part of the study: one cell of three.
half_way() {
    mv study.lua whole.lua
    sed 's/"lstm", "gru"//' whole.lua > study.lua
    run_study half.db || fault "a third of the study: exit status $?"
    mv whole.lua study.lua
}

# ---- numbers ----
for n in 4 5 6 $(sizes 8 24 10); do
    case_of "$n descriptors" "ulimit -n $n; exec \$run"
done
"$cellbench" --version | grep -q fsanitize=address && echo "skipped: address space, of which a sanitizer needs terabytes"
for kilobytes in $(sizes 20000 300000 50000); do
    "$cellbench" --version | grep -q fsanitize=address || case_of "$kilobytes KB of address space" "ulimit -v $kilobytes; exec \$run"
done
silent=1 # the file that the message goes to is one that may not grow
for blocks in 0 1; do
    case_of "files of $blocks blocks" "ulimit -f $blocks; exec \$run"
done
silent=
for blocks in 8 $(sizes 20 500 160); do
    case_of "files of $blocks blocks" "ulimit -f $blocks; exec \$run"
done
for kilobytes in 128 256 1024; do
    case_of "a stack of $kilobytes KB" "ulimit -s $kilobytes; exec \$run"
done

# ---- streams ----
silent=1
case_of "no stdin" "exec \$run <&-"
case_of "no stdout" "exec \$run >&-"
case_of "no stderr" "exec \$run 2>&-"
case_of "no stream" "exec \$run <&- >&- 2>&-"
case_of "stdout full" "exec \$run > /dev/full"
case_of "stderr full" "exec \$run 2> /dev/full"
case_of "stdout a pipe that nobody reads" "{ \$run; echo \$? > code; } | true; exit \$(cat code)"
case_of "stderr a pipe that nobody reads" "{ \$run; echo \$? > code; } 2>&1 > /dev/null | true; exit \$(cat code)"
silent=

# ---- surroundings ----
case_of "TMPDIR missing" "TMPDIR=/nowhere exec \$run"
# The kernels decide about the bits that are compared.
case_of "no environment" "exec env -i SOAK_MARK=\$SOAK_MARK CELLBENCH_ISA=\${CELLBENCH_ISA-} \$run"
case_of "HOME missing" "HOME=/nowhere exec \$run"
case_of "current folder removed" "here=\$PWD; mkdir gone && cd gone && rmdir ../gone
    exec \$here/program run \$here/study.lua --db \$here/it.db --jobs $jobs"
case_of "current folder removed, paths in it" "here=\$PWD; mkdir gone && cd gone && rmdir ../gone
    \$here/program run study.lua --db it.db --jobs $jobs"
prepare='ln -s calm.weights it.weights; mv calm.weights aside; : > calm.weights'
restore='rm -f it.weights calm.weights; mv aside calm.weights'
case_of "a file in the place of the weights' folder" "exec \$run"
prepare='' restore=''

# ---- rights ----
nobody="setpriv --reuid 65534 --regid 65534 --clear-groups --no-new-privs"
if [ "$(id -u)" -eq 0 ] && $nobody test -x program 2> /dev/null; then
    half_way
    prepare='chown -R 65534 . 2> /dev/null; chmod 755 .'
    case_of "as nobody, all allowed" "exec $nobody \$run"
    half=1
    prepare='chmod 777 .; chmod -R a+rwX it.*; chmod 444 it.db'
    case_of "a database that can only be read" "exec $nobody \$run"
    prepare='chmod -R a+rwX it.*; chmod 555 .'
    restore='chmod 755 .'
    case_of "a folder that can only be read" "exec $nobody \$run"
    prepare='chmod 777 .; chmod a+rw it.db; chmod 555 it.weights'
    case_of "weights that can only be read" "exec $nobody \$run"
    prepare='chmod 777 .; chmod -R a+rwX it.*; : > it.db.lock; chmod 400 it.db.lock'
    case_of "a lock file of somebody else" "exec $nobody \$run"
    half=
    prepare='chmod 555 .'
    case_of "a new database in a folder that can only be read" "exec $nobody \$run"
    prepare='chmod 777 .'
    for n in 1 2 3; do
        case_of "$n processes" "exec setpriv --reuid $((70000 + n)) --clear-groups prlimit --nproc=$n -- \$run"
    done
    prepare='' restore=''
    chown -R 0 .
else
    echo "skipped: rights, which need root and setpriv to try as somebody else"
fi

# ---- a full disk ----
# The file system lives in a name space of the shell's own, and goes with it.
full_disk() {
    disk=$1
    cat > on_disk.sh <<END
mount -t tmpfs -o size=${disk}k none disk || exit 9
export SOAK_MARK=$$
$(echo "$command" | sed 's|it.db|disk/it.db|') > out 2> err
ended=\$?
sqlite3 disk/it.db 'pragma integrity_check' > whole 2>&1
mount -o remount,size=16m disk
$(echo "$command" | sed 's|it.db|disk/it.db|') > out 2> err_again
echo \$? > again
cp -r disk/. it
exit \$ended
END
    rm -rf it.* it disk
    mkdir -p disk it
    before=$bad
    what="a disk of $disk KB"
    unshare -rm sh on_disk.sh
    ended=$?
    none_left "$$"
    case $ended in
    0) passed=$((passed + 1)) ;;
    1)
        refused=$((refused + 1))
        grep -q '^cellbench: ' err || fault "$what: exit status 1 without a message"
        ;;
    *) fault "$what: exit status $ended" ;;
    esac
    holds "$what: integrity_check" "$(cat whole)" ok
    holds "$what, and then: exit status" "$(cat again)" 0
    mv it/* . && rmdir it
    is_complete it.db calm.bits
    [ "$bad" -eq "$before" ] || echo "  ($what; it said: $(cat err); and then: $(cat err_again))"
}
mkdir -p disk
if unshare -rm mount -t tmpfs none disk 2> /dev/null; then
    for disk in 4 $(sizes 100 1000 300); do full_disk "$disk"; done
else
    echo "skipped: a full disk, which needs the right to mount one"
fi

echo "$((passed + refused)) cases: $refused refused with a message, $passed went well all the same"
finish
