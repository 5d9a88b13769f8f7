#!/usr/bin/env bash
# The demonstration on Spark: an hourly run, a backfill in batches of days, a failure in the middle,
# and the resume.
#
# Works on a copy of the graph in $DEMO_DIR, made afresh each time, and checks what it claims by
# looking at the markers in the store. The first time, setup.sh downloads some 330 MB.
#
# Environment: STAGEGRAPH_BIN (the program), SRC_DIR (the checkout), DEMO_DIR (build/demo/hourly),
# SPARK_CACHE (build/spark: where setup.sh puts PySpark and the data). `ninja demo-spark` sets them.
set -eu
export LC_ALL=C PYTHONDONTWRITEBYTECODE=1
unset STAGEGRAPH_NOW
export STAGEGRAPH_GRAPH=graphs/hourly/flights.ini

fail()
{
    printf '\ndemo-spark: %s\n' "$*" >&2
    exit 1
}

[ -x "${STAGEGRAPH_BIN:-}" ] || fail "STAGEGRAPH_BIN names no program"
program=$(readlink -f "$STAGEGRAPH_BIN")
source=$(cd "$(dirname "$0")" && pwd -P)
mkdir -p "${SPARK_CACHE:=build/spark}"
cache=$(cd "$SPARK_CACHE" && pwd -P)
rm -rf "${DEMO_DIR:=build/demo/hourly}"
mkdir -p "$DEMO_DIR/graphs/hourly"
cd "$DEMO_DIR"
began=$SECONDS

chapter()
{
    printf '\n\n\n### %s\n' "$1"
    shift
    [ $# = 0 ] || printf '# %s\n' "$@"
}

stagegraph()
{
    printf '\n$ stagegraph %s\n' "$*"
    "$program" "$@"
}

land()
{
    printf '\n$ land.py --root graphs/hourly/warehouse --from %s --until %s\n' "$1" "$2"
    python3 graphs/hourly/jobs/landing/land.py --archive "$FLIGHTS_ARCHIVE" \
        --root graphs/hourly/warehouse --from "$1" --until "$2"
}

# Prints how many nodes of bronze, silver and gold have a marker.
made()
{
    local n=() stage
    for stage in bronze silver gold; do
        n+=("$(find graphs/hourly/warehouse/$stage -name _SUCCESS 2>/dev/null | wc -l)")
    done
    echo "${n[*]}"
}

# step TITLE STATUS "BRONZE SILVER GOLD" ARGUMENT…: runs the program, and checks its exit status and
# how many nodes of each stage are whole afterwards.
step()
{
    local title=$1 status=$2 whole=$3 got=0 from=$SECONDS
    shift 3
    stagegraph "$@" || got=$?
    [ "$got" = "$status" ] || fail "$title: exit status $got, not $status"
    [ "$(made)" = "$whole" ] || fail "$title: $(made) bronze, silver, gold are whole, not $whole"
    printf '%s\t%s\t%s\t%s\n' "$title" "$status" "${whole// /$'\t'}" $((SECONDS - from)) >>steps
}

chapter "Setting up" "PySpark, a year of flights and weather, and an archive of Spark's classes."
bash "$source/setup.sh" "$cache"
# shellcheck source=/dev/null
. "$cache/env.sh"
cp "$source/flights.ini" graphs/hourly/
cp -R "$source/jobs" "$source/scripts" graphs/hourly/
# The pipeline's first hour is that of the demonstration's data.
sed -i 's/^start .*/start     = 2013-03-07/' graphs/hourly/flights.ini

chapter "The hourly run" \
    "It is 01:10 on 8 March 2013, a day of storm in New York, and the day's first hour has landed." \
    "Three jobs, a fresh JVM each; gold is of a day that isn't over (_PARTIAL)."
land 2013-03-08T00:00:00Z 2013-03-08T01:00:00Z
step "hourly" 0 "1 1 0" --now 2013-03-08T01:10:00Z hourly --lookback 0
[ -e graphs/hourly/warehouse/gold/dt=2013-03-08/_PARTIAL ] || fail "the day so far has no facts"

chapter "The same again" "Nothing has landed since, so nothing runs."
step "hourly, again" 0 "1 1 0" --now 2013-03-08T01:10:00Z hourly --lookback 0

chapter "A backfill with a failure in the middle" \
    "Three days, at most a day a job. In the second day an hour has a line that is no flight: its" \
    "batch fails and leaves nothing half done, the others go on."
land 2013-03-07T00:00:00Z 2013-03-10T00:00:00Z
bad=graphs/hourly/warehouse/landing/dt=2013-03-08/hr=14/flights.csv
cp "$bad" whole.csv
sed -i '5s/.*/2013,3,8,nine,thirty/' "$bad"
printf "\n$ sed -i '5s/.*/2013,3,8,nine,thirty/' %s\n" "$bad"
set -- --now 2013-03-10T00:10:00Z backfill --from 2013-03-07 --to 2013-03-09 \
    --set bronze.batch=1d --set silver.batch=1d --set gold.batch=1
stagegraph "${@:1:2}" plan --profile backfill "${@:4}"
# Batches are cut around the hour that the hourly run made; that of the day after it fails.
step "backfill" 1 "48 48 1" "$@"

chapter "Resumed" "The hour is landed again; what was done stays as it is, the rest is run."
cp whole.csv "$bad"
step "resume" 0 "72 72 3" resume

chapter "A late correction" \
    "Another drop of one hour: bronze merges it by key, and silver and the day's gold follow."
late=${bad%/*}/flights-2.csv
sed -n '1p;2s/^\(\([^,]*,\)\{5\}\)[^,]*/\1999/p' "$bad" >"$late"
printf '\n$ diff %s %s\n' "${bad##*/}" "${late##*/}"
diff "$bad" "$late" | grep '^[<>]' | grep -e '^>' -e 2013,3,8 | head -n 2 || :
stagegraph --now 2013-03-10T00:10:00Z plan --from 2013-03-07 --to 2013-03-09
step "correction" 0 "72 72 3" --now 2013-03-10T00:10:00Z run --from 2013-03-07 --to 2013-03-09

chapter "What came of it" "Gold of 8 March, by airport and sky:"
bash "$source/scripts/spark_submit.sh" "$source/scripts/show.py" -- \
    graphs/hourly/warehouse/gold/dt=2013-03-08/weather | tee gold.csv
grep -q ',999,' gold.csv || fail "the correction did not get into gold"

chapter "What ran" "Whole nodes after each step, by the markers in the store:"
awk -F'\t' '
    BEGIN { f = "%-16s %6s %8s %8s %6s %8s\n"; printf "\n" f, "STEP", "EXIT", "BRONZE", "SILVER", "GOLD", "TIME" }
    { printf f, $1, $2, $3, $4, $5, $6 " s" }' steps
printf '\nAll of it took %s s. Everything is in %s\n' $((SECONDS - began)) "$PWD"
