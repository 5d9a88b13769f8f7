#!/bin/sh
# Runs the test drivers that configure listed in build/drivers ($TEST_DRIVERS) and adds up their
# totals.
#
#   sh tests/run.sh [unit|e2e|script|NAME]...    from the build directory; a NAME may be a pattern
#
# A line a driver as it ends; then the output of those that failed, and behind "==== what failed" once
# more what each failed test said, its last lines; at the end cmocka's totals summed up, a line a
# failed test, and as the last line "N passed, N failed". So the end tells all, whatever was cut out
# of the middle. A driver fails, too, when it crashes, runs no test, or runs longer than TEST_TIMEOUT
# seconds (900; its whole process group is killed). TEST_JOBS (2) run at a time.

set -u
LC_ALL=C
export LC_ALL

[ -r build/env.sh ] || {
    echo "tests/run.sh: no build/env.sh here: run it from a directory that was configured" >&2
    exit 2
}
# shellcheck source=/dev/null
. ./build/env.sh
out=build/tests/out
tail=60 # lines of a failed test
timeout=${TEST_TIMEOUT:-900}

# What cmocka (or, for a script, the last line) says of the tests: "PASSED FAILED SKIPPED".
totals()
{
    awk -v kind="$1" '
        function count(line) { sub(/ test\(s\).*/, "", line); sub(/.* /, "", line); return line }
        /^\[  PASSED  \] .*[0-9] test\(s\)/ { p += count($0) }
        /^\[  FAILED  \] .*[0-9] test\(s\), listed below:/ { f += count($0) }
        /^\[  SKIPPED \] .*[0-9] test\(s\), listed below:/ { s += count($0) }
        kind == "script" && /^[0-9]+ passed, [0-9]+ failed/ { p = $1; f = $3; s = $5 }
        END { print p + 0, f + 0, s + 0 }' "$2"
}

# failures WHO WHY LOG: of each failed test, and of one that did not end, its last lines; of the whole
# log where none is told. Standard error: a line a failed test.
failures()
{
    awk -v who="$1" -v why="$2" -v most=$tail '
        function begin(test) { n = 0; name = test }
        function tell(test) { print who (test != "" ? ": " test : "") >"/dev/stderr" }
        function show(test, i) {
            print "\n---- " who (test != "" ? ": " test : "")
            for (i = n > most ? n - most : 0; i < n; i++)
                print line[i]
            shown = 1
        }
        { all[NR - 1] = $0; line[n++] = $0 }
        /^\[ RUN      \] / { begin($4); line[n++] = $0 }
        /^\[       OK \] / || /^\[  SKIPPED \] [a-z0-9_]+$/ { begin("") }
        /^\[  FAILED  \] [a-z0-9_]+$/ && $4 == name { show(name); tell(name); begin("") }
        /^FAIL [^ ]/ { tell(substr($0, 6)); scripts = 1 }
        END {
            if (name != "") {
                show(name)
                tell(name " (did not end: " why ")")
            }
            if (shown)
                exit
            for (n = 0; n < NR; n++)
                line[n] = all[n]
            show("")
            if (!scripts)
                tell(why)
        }' "$3"
}

# run_one KIND NAME PATH: one driver, its output in $out/KIND.NAME.log, its result in .result.
run_one()
{
    log=$out/$1.$2.log
    start=$(date +%s%N)
    # timeout puts itself and the driver into a process group of their own. Signals get their usual
    # meaning back, which a shell takes from what it starts in the background.
    case $1 in
    script) set -- "$1" "$2" sh "$3" ;;
    esac
    kind=$1 name=$2
    shift 2
    env --default-signal timeout -k 10 "$timeout" "$@" >"$log" 2>&1 </dev/null &
    pid=$!
    trap 'kill -s KILL -- "-$pid"; exit 130' INT TERM HUP
    # The shell would say "Killed" of a driver that was.
    { wait $pid; } 2>/dev/null
    status=$?
    kill -s KILL -- "-$pid" 2>/dev/null
    ms=$((($(date +%s%N) - start) / 1000000))

    # shellcheck disable=SC2046
    set -- $(totals "$kind" "$log")
    passed=$1 failed=$2 skipped=$3 why=
    if [ $status -eq 124 ] || { [ $status -eq 137 ] && [ $ms -ge $((timeout * 1000)) ]; }; then
        why="timeout after $timeout s"
    elif [ $status -gt 128 ]; then
        why="killed by signal $((status - 128))"
    elif [ $status -ne 0 ]; then
        why="exit $status"
    elif [ $((passed + failed + skipped)) -eq 0 ]; then
        why="no test ran"
    fi
    # A driver that broke off, or that fails without a failed test, counts as one.
    [ -z "$why" ] || [ "$failed" -gt 0 ] || failed=1
    word=ok
    [ "$failed" -eq 0 ] || word=FAIL
    line="$passed passed"
    [ "$failed" -eq 0 ] || line="$line, $failed failed"
    [ "$skipped" -eq 0 ] || line="$line, $skipped skipped"
    printf '%-4s  %-28s %3d.%02d s  %s%s\n' $word "$kind/$name" \
        $((ms / 1000)) $((ms % 1000 / 10)) "$line" "${why:+ ($why)}"
    echo "$passed $failed $skipped $kind $name $why" >"$out/$kind.$name.result"
}

if [ "${1-}" = --one ]; then
    run_one "$2" "$3" "$4"
    exit 0
fi

# What the sanitizers look for beyond the usual.
asan=detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1
export ASAN_OPTIONS="${ASAN_OPTIONS-$asan}"
export UBSAN_OPTIONS="${UBSAN_OPTIONS-print_stacktrace=1}"

rm -rf $out
mkdir -p $out
while read -r kind name path; do
    [ $# -gt 0 ] || set -- '*'
    for pick; do
        # shellcheck disable=SC2254
        case $kind in
        $pick) ;;
        *)
            case $name in
            $pick) ;;
            *) continue ;;
            esac
            ;;
        esac
        [ "$kind" != script ] || path=$SRC_DIR/$path
        printf '"%s" "%s" "%s"\n' "$kind" "$name" "$path"
        break
    done
done <"${TEST_DRIVERS:-build/drivers}" >$out/picked
xargs -r -P "${TEST_JOBS:-2}" -n 3 sh "$0" --one <$out/picked

passed=0 failed=0 skipped=0
: >$out/what
: >$out/failed
while read -r line; do
    eval "set -- $line"
    # Nothing is known of a driver whose runner was killed.
    [ -e "$out/$1.$2.result" ] || echo "0 1 0 $1 $2 its runner was killed" >"$out/$1.$2.result"
    read -r p f s kind name why <"$out/$1.$2.result"
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    [ "$f" -eq 0 ] || {
        log=$out/$kind.$name.log
        [ -e "$log" ] || : >"$log"
        if [ "$(wc -l <"$log")" -gt $tail ]; then
            printf '\n---- %s/%s\n' "$kind" "$name"
            cat "$log"
        fi
        failures "$kind/$name" "$why" "$log" >>$out/what 2>>$out/failed
    }
done <$out/picked

if [ $failed -gt 0 ]; then
    printf '\n==== what failed\n'
    cat $out/what
fi
echo
echo "[==========] $((passed + failed + skipped)) test(s) run."
echo "[  PASSED  ] $passed test(s)."
[ $skipped -eq 0 ] || echo "[  SKIPPED ] $skipped test(s)."
if [ $failed -gt 0 ]; then
    echo "[  FAILED  ] $failed test(s):"
    sed 's/^/[  FAILED  ] /' $out/failed
fi
[ $skipped -eq 0 ] && echo "$passed passed, $failed failed" ||
    echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ] && [ $((passed + skipped)) -gt 0 ]
