#!/bin/sh
# The benchmark on a day of work: that it lets those race who do the same, and says who doesn't. The last
# line is the totals. In the build directory, with build/env.sh read.

set -u
LC_ALL=C
ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0 # the tools end soon, and leave it to that
export LC_ALL ASAN_OPTIONS
race=$PWD/build/bench/bench_race
dir=$(mktemp -d) || exit 2
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM
passed=0 failed=0

# verdict NAME: the case fails if $dir/wrong has a line.
verdict()
{
    if [ -s "$dir/wrong" ]; then
        failed=$((failed + 1))
        echo "FAIL $1"
        cat "$dir/wrong" "$dir/said"
    else
        passed=$((passed + 1))
        echo "ok   $1"
    fi
    : >"$dir/wrong"
}

# wants PATTERN: what was said has to have such a line.
wants()
{
    grep -Eq "$1" "$dir/said" || echo "no line like $1" >>"$dir/wrong"
}

# lacks PATTERN: and no such line.
lacks()
{
    ! grep -E "$1" "$dir/said" >>"$dir/wrong"
}

: >"$dir/wrong"
"$race" -n 2 >"$dir/said" 2>&1 <<. || echo "it failed" >>"$dir/wrong"
one | 2 lines | . | printf a\nb\n
says it | b+ | . | printf abba\n
says another thing | b+ | . | printf aha\n
one line less | 2 lines | . | printf a\n
fails | - | . | false
is not there | - | . | stagegraph-bench-no-such-program
.
wants '^  one  .* 1\.00 +1\.00$'
wants '^  says it .* [0-9.]+ +[0-9.]+$'
wants '^  says another thing +left out: not "b\+", but "aha"$'
wants '^  one line less +left out: not "2 lines", but "a"$'
wants '^  fails +left out: exit 1$'
wants '^  is not there +not installed$'
verdict who_does_not_do_the_same_is_left_out_and_told_so

"$race" -n 1 >"$dir/said" 2>&1 <<. && echo "it ended well" >>"$dir/wrong"
one | b | . | printf a\n
another | - | . | true
.
wants 'one has to be in the race$'
verdict a_race_without_its_first_contestant_fails

# shellcheck disable=SC2016 # the race's own
(cd "$dir" && "$race" -n 3 -w -p 'mkdir -p "$turn/$dir"' -o out -k "a race") >"$dir/said" 2>&1 <<. ||
one | - | %/one | touch made
another | - | %/another | touch made
.
    echo "it failed" >>"$dir/wrong"
for turn in 1 2 3; do
    for name in one another; do
        [ -f "$dir/$turn/$name/made" ] || echo "turn $turn of $name did not run" >>"$dir/wrong"
    done
done
cut -f 1,2 "$dir/out" | tr '\t' , >"$dir/said"
wants '^a race,one$'
wants '^a race,another$'
verdict each_turn_has_a_directory_of_its_own_and_leaves_a_line_of_results

printf 'nothing/1\tstagegraph\t%s\t0\t0\t1\t1\t-\t1\t1\nnothing/1\tninja\t0.002\t0\t0\t1\t1\t-\t1\t1\n' 0.004 |
    awk -v floor=x -f "$SRC_DIR/tests/bench/targets.awk" >"$dir/said"
wants '3 nodes.* 2\.00 of +1\.50  MISSED$'
lacks 'trivial command'
verdict a_target_that_is_missed_is_told_and_one_that_was_not_measured_is_not

BENCH="nothing missing code day mixed chain window hour" HOURS=30 TURNS=1 PEERS="ninja make" \
    BENCH_DIR=$dir BENCH_OUT=$dir/out BENCH_SETTLE=0 sh "$SRC_DIR/tests/bench/run.sh" >"$dir/said" 2>&1 ||
    echo "it failed" >>"$dir/wrong"
cut -f 1,2 "$dir/out" | tr '\t' ' ' >>"$dir/said"
lacks 'left out'
for scenario in nothing missing code day mixed chain window hour; do
    for name in stagegraph ninja; do # make may not be installed
        wants "^$scenario/30 $name$"
    done
done
find "$dir" -name 'stagegraph-bench.*' >>"$dir/wrong" # nothing is left
verdict stagegraph_ninja_and_make_agree_on_what_is_to_do

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
