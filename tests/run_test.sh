#!/bin/sh
# Holds tests/run.sh to what it says of itself, over drivers that fail in all ways: what failed is told
# at the end, whatever may be cut out of the middle. The last line is the totals.

set -u
LC_ALL=C
export LC_ALL
src=$(cd "$(dirname "$0")/.." && pwd) || exit 2
dir=$(mktemp -d) || exit 2
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM
cd "$dir" || exit 2
passed=0 failed=0

verdict()
{
    if [ -s wrong ]; then
        failed=$((failed + 1))
        echo "FAIL $1"
        cat wrong
    else
        passed=$((passed + 1))
        echo "ok   $1"
    fi
    : >wrong
}

# driver NAME: a unit test's, its lines of sh on standard input.
driver()
{
    { echo '#!/bin/sh'; cat; } >"$1"
    chmod +x "$1"
    echo "unit $1 $dir/$1" >>build/drivers
}

# runs: what it says is in $dir/said, and must be a failure.
runs()
{
    ! TEST_TIMEOUT=${1-900} TEST_DRIVERS=build/drivers sh "$src/tests/run.sh" >said 2>&1 ||
        echo "it succeeded" >>wrong
    sed -n '/^==== what failed$/,$p' said >told
}

# says PATTERN...: a line behind "what failed" is that one.
says()
{
    for line; do
        grep -qxF -e "$line" told || echo "it does not say: $line" >>wrong
    done
    [ ! -s wrong ] || cat said >>wrong
}

fresh()
{
    rm -rf build
    mkdir build
    echo "export SRC_DIR='$dir'" >build/env.sh
}

: >wrong
fresh
driver long <<'.'
echo '[==========] Running 3 test(s).'
echo '[ RUN      ] first'
echo '[       OK ] first'
echo '[ RUN      ] second'
seq 1 200 | sed 's/^/line /'
echo 'ERROR: the reason'
echo '[  FAILED  ] second'
echo '[ RUN      ] third'
seq 201 500 | sed 's/^/line /'
echo '[       OK ] third'
echo '[  PASSED  ] 2 test(s).'
echo '[  FAILED  ] 1 test(s), listed below:'
echo '[  FAILED  ] second'
exit 1
.
driver fine <<'.'
echo '[ RUN      ] good'
echo '[       OK ] good'
echo '[  PASSED  ] 1 test(s).'
.
runs
says '---- unit/long: second' 'line 200' 'ERROR: the reason' '[  FAILED  ] unit/long: second'
! grep -qxF -e 'line 100' told || echo "all of it is told twice" >>wrong
! grep -qxF -e 'line 300' told || echo "what another test said is told" >>wrong
grep -qxF 'line 300' said || echo "the whole output is not there" >>wrong
[ "$(tail -n 1 told)" = "3 passed, 1 failed" ] || tail -n 1 told >>wrong
verdict a_failed_test_is_told_at_the_end_with_what_it_said_last

fresh
driver dies <<'.'
echo '[ RUN      ] first'
echo '[       OK ] first'
echo '[ RUN      ] second'
echo 'about to die'
kill -s SEGV $$
.
driver hangs <<'.'
echo '[ RUN      ] third'
echo 'about to hang'
exec sleep 60
.
runs 1
says '---- unit/dies: second' 'about to die' \
    '[  FAILED  ] unit/dies: second (did not end: killed by signal 11)' \
    '---- unit/hangs: third' 'about to hang' \
    '[  FAILED  ] unit/hangs: third (did not end: timeout after 1 s)'
verdict a_test_that_dies_or_hangs_is_told_by_its_name

fresh
driver leaks <<'.'
echo '[ RUN      ] first'
echo '[       OK ] first'
echo '[  PASSED  ] 1 test(s).'
echo 'ERROR: LeakSanitizer: detected memory leaks'
exit 1
.
driver empty <<'.'
echo 'nothing to do'
.
echo "script story story.sh" >>build/drivers
cat >story.sh <<'.'
echo 'ok   one'
echo 'FAIL two of them'
echo 'because'
echo '1 passed, 1 failed'
exit 1
.
runs
says '---- unit/leaks' 'ERROR: LeakSanitizer: detected memory leaks' '[  FAILED  ] unit/leaks: exit 1' \
    '---- unit/empty' 'nothing to do' '[  FAILED  ] unit/empty: no test ran' \
    '---- script/story' 'because' '[  FAILED  ] script/story: two of them'
verdict a_driver_that_fails_without_a_failed_test_and_a_script_are_told

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
