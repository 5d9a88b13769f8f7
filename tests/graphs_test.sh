#!/bin/sh
# Holds graphs/hourly.ini, the pipeline as it was reported, against graphs/hourly/flights.ini, the same
# with data to try it with: they may differ in where data come from, and in nothing that a job is told.
# The last line is the totals.

set -u
LC_ALL=C
export LC_ALL
src=$(cd "$(dirname "$0")/.." && pwd -P) || exit 2
dir=$(mktemp -d) || exit 2
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM
passed=0 failed=0
unset STAGEGRAPH_GRAPH STAGEGRAPH_NOW

# verdict NAME: the case fails if $dir/wrong has a line.
verdict()
{
    if [ -s "$dir/wrong" ]; then
        failed=$((failed + 1))
        echo "FAIL $1"
        cat "$dir/wrong"
    else
        passed=$((passed + 1))
        echo "ok   $1"
    fi
}

# keys FILE SECTIONS EXCEPT: the keys of the sections whose names match, a line each, without comments,
# the way they are aligned, and the keys that match EXCEPT.
keys()
{
    awk -v sections="$2" -v except="$3" '
        function tell() { if (line != "" && section ~ sections && key !~ except) print section, line; line = "" }
        /^;/ || /^[ \t]*$/ { next }
        /^\[/ { tell(); section = $0; next }
        /^[ \t]/ { $1 = $1; line = line " " $0; next }
        { tell(); key = $1; $1 = $1; line = $0 }
        END { tell() }' "$1" | sort
}

# same SECTIONS EXCEPT LEAST: both graphs have the same, LEAST keys or more.
same()
{
    keys "$src/graphs/hourly.ini" "$1" "$2" >"$dir/hourly"
    keys "$src/graphs/hourly/flights.ini" "$1" "$2" >"$dir/flights"
    diff "$dir/hourly" "$dir/flights" >"$dir/wrong"
    [ "$(wc -l <"$dir/hourly")" -ge "$3" ] || echo "only $(wc -l <"$dir/hourly") keys" >>"$dir/wrong"
}

same '^\[stage ' '^(needs|workdir)$' 20
verdict the_stages_of_both_graphs_differ_only_in_needs_and_workdir
same '^\[(param|pool|profile) ' '^(help|choices)$' 20
verdict params_pools_and_profiles_differ_only_in_help_and_choices

# Each in a directory like its own: files that its code names are there.
mkdir "$dir/graphs"
cp -R "$src/graphs/hourly" "$src/graphs/hourly.ini" "$dir/graphs/"
for graph in hourly.ini hourly/flights.ini; do
    "${STAGEGRAPH_BIN:?is not set: see build/env.sh}" -f "$dir/graphs/$graph" check >"$dir/said" 2>&1 ||
        cat "$dir/said"
    grep -q 'no errors$' "$dir/said" || cat "$dir/said"
done >"$dir/wrong"
verdict both_graphs_have_no_errors

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
