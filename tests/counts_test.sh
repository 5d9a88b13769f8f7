#!/bin/sh
# That `ninja counts-check` (tests/counts/run.sh, compare.sh) fails where it must, with records and
# figures that are planted and a valgrind that counts what it is told; and that each path of
# build/counts/counts does what it says, and is recorded. The last line is the totals.

set -u
LC_ALL=C
export LC_ALL
src=$(cd "$(dirname "$0")" && pwd -P)/counts || exit 2
dir=$(mktemp -d) || exit 2
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM
passed=0 failed=0
unset COUNTS_TOLERANCE COUNTS_MUST COUNTS_PATHS COUNTS_RECORD VALGRIND

cat >"$dir/record" <<'END'
# a comment
compiler: gcc 12
flags: -O2
sweep            node             100.00
hash             KiB             1000.00
END

# says STATUS TEXT... : what was said last has each TEXT, and ended with that status.
says()
{
    wanted=$1
    shift
    [ "$status" -eq "$wanted" ] || echo "exit $status, not $wanted"
    for text; do
        grep -qF -- "$text" "$dir/said" || echo "does not say: $text"
    done
}

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
}

# compare HOW SWEEP HASH [MORE]: with these figures now.
compare()
{
    {
        echo "compiler: ${compiler:-gcc 12}"
        echo "flags: -O2"
        [ -z "$2" ] || echo "sweep node $2"
        [ -z "$3" ] || echo "hash KiB $3"
        [ -z "${4-}" ] || echo "$4"
    } >"$dir/now"
    sh "$src/compare.sh" "$1" "$dir/record" "$dir/now" >"$dir/said" 2>&1
    status=$?
}

compare check 100.00 1000.00
says 0 '2 passed, 0 failed' >"$dir/wrong"
verdict the_figures_of_the_record_pass
compare check 100.00 1031.00
says 1 '+3.10 %  ABOVE' '1 passed, 1 failed' 'ninja counts-record' >"$dir/wrong"
verdict a_path_that_takes_more_than_the_tolerance_fails
compare check 102.90 1000.00
says 0 '+2.90 %' '2 passed, 0 failed' >"$dir/wrong"
verdict a_path_within_the_tolerance_passes
COUNTS_TOLERANCE=2 && export COUNTS_TOLERANCE
compare check 102.90 1000.00
says 1 '+2.90 %  ABOVE' >"$dir/wrong"
verdict the_tolerance_can_be_told
unset COUNTS_TOLERANCE
compare check 50.00 1000.00
says 0 '-50.00 %  below' '2 passed, 0 failed' 'ninja counts-record' >"$dir/wrong"
verdict a_path_that_takes_much_less_passes_and_wants_its_record_renewed
compare check 100.00 1000.00 'new node 5.00'
says 1 'not recorded' '2 passed, 1 failed' >"$dir/wrong"
verdict a_path_without_a_record_fails
compare check 100.00 ''
says 1 'hash is recorded' '1 passed, 1 failed' >"$dir/wrong"
verdict a_recorded_path_that_is_gone_fails
COUNTS_PATHS=sweep && export COUNTS_PATHS
compare check 100.00 ''
says 0 '1 passed, 0 failed' >"$dir/wrong"
verdict a_path_that_was_not_asked_for_is_not_gone
unset COUNTS_PATHS
compare show 200.00 1000.00
says 0 '+100.00 %  ABOVE' >"$dir/wrong"
verdict showing_never_fails
compare check 100.00 many
says 2 'not a figure: hash KiB many' >"$dir/wrong"
verdict what_is_no_figure_is_no_zero
compare check '' ''
says 2 'no figures' >"$dir/wrong"
verdict nothing_counted_is_no_success

compiler='gcc 13'
compare check 200.00 1000.00
says 0 'Not compared: compiler: gcc 13, the record has gcc 12.' '0 passed, 0 failed, 2 skipped' \
    >"$dir/wrong"
verdict figures_of_another_compiler_are_not_compared_and_it_says_so
COUNTS_MUST=1 && export COUNTS_MUST
compare check 100.00 1000.00
says 1 'Not compared: compiler: gcc 13' '0 passed, 1 failed' >"$dir/wrong"
verdict where_they_must_be_compared_another_compiler_fails
unset COUNTS_MUST compiler

# ---- run.sh, with a valgrind of our own

counts=build/counts/counts
[ -x "$counts" ] || {
    echo "counts_test.sh: no $counts here: run it from the build directory" >&2
    exit 2
}
mkdir -p "$dir/build/counts"
cat >"$dir/valgrind" <<'END'
#!/bin/sh
for word; do
    case $word in
    --callgrind-out-file=*) out=${word#*=} ;;
    esac
done
read -r function <function
echo "cfn=(12) $function" >"$out"
echo "totals: 4200" >>"$out"
echo 100
END
cat >"$dir/build/counts/counts" <<'END'
#!/bin/sh
case $1 in
--about) echo "compiler: gcc 12" ;;
--list) echo "sweep node" && echo "hash KiB" ;;
esac
END
echo __strlen_sse2 >"$dir/function"
chmod +x "$dir/valgrind" "$dir/build/counts/counts"

# run HOW [NAME=VALUE]...: run.sh in the directory of the test.
run()
{
    how=$1
    shift
    (cd "$dir" && env VALGRIND="$dir/valgrind" COUNTS_RECORD="$dir/kept" \
        BUILD_FLAGS='-Wall -O2 -g3 -Werror' "$@" sh "$src/run.sh" "$how") >"$dir/said" 2>&1
    status=$?
}

run record
says 0 'written: ' >"$dir/wrong"
grep -v '^#' "$dir/kept" | tr -s ' ' | tr '\n' ';' >"$dir/lines"
echo 'compiler: gcc 12;flags: -O2;sweep node 42.00;hash KiB 42.00;' | tr -d '\n' |
    cmp -s - "$dir/lines" || { echo "the record is"; cat "$dir/kept"; } >>"$dir/wrong"
verdict a_record_has_what_it_holds_for_and_a_line_a_path
run check
says 0 '+0.00 %' '2 passed, 0 failed' >"$dir/wrong"
verdict what_was_written_down_passes
sed 's/42\.00$/30.00/' "$dir/kept" >"$dir/lower" && mv "$dir/lower" "$dir/kept"
run check
says 1 '+40.00 %  ABOVE' '0 passed, 2 failed' >"$dir/wrong"
verdict a_program_that_has_become_slower_than_its_record_fails
run check VALGRIND=/no/valgrind
says 2 '/no/valgrind is missing' >"$dir/wrong"
verdict without_valgrind_it_fails
run check VALGRIND=false
says 2 'does not run' >"$dir/wrong"
verdict a_path_that_can_not_be_counted_fails
echo __strlen_avx2 >"$dir/function"
run check
says 2 'functions of this processor: __strlen_avx2' >"$dir/wrong"
verdict functions_that_the_c_library_chose_by_the_processor_are_refused

# ---- the real paths, without valgrind

$counts --list >"$dir/said"
: >"$dir/wrong"
while read -r path unit; do
    n=$($counts "$path" 2>>"$dir/wrong") && [ "${n:-0}" -gt 0 ] && [ -n "$unit" ] ||
        echo "$path: ${n-}" >>"$dir/wrong"
done <"$dir/said"
[ "$(wc -l <"$dir/said")" -ge 25 ] || echo "so few paths" >>"$dir/wrong"
verdict each_path_goes_its_way
sed -n '/^[a-z]/{/:/!p;}' "$src/record" | awk '{ print $1, $2 }' | diff - "$dir/said" >"$dir/wrong"
verdict the_record_has_every_path_and_no_other

echo
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
