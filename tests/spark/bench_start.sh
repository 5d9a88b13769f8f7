#!/usr/bin/env bash
# What the start-up settings of spark_submit.sh gain: a job that does nothing much, and an hour of
# bronze, started in turns with each of the settings; medians of wall and CPU seconds over ROUNDS (5).
#
#   bash tests/spark/bench_start.sh     after `ninja check-spark`, from the build directory
set -u
export LC_ALL=C PYTHONDONTWRITEBYTECODE=1
here=$(cd "$(dirname "$0")" && pwd -P)
hourly=$here/../../graphs/hourly
# shellcheck source=/dev/null
. "${SPARK_CACHE:-build/spark}/env.sh" || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
python3 "$hourly/jobs/landing/land.py" --archive "$FLIGHTS_ARCHIVE" --root w \
    --from 2013-03-08T20:00:00Z --until 2013-03-08T21:00:00Z >/dev/null || exit 1
cat >job.py <<'END'
from pyspark.sql import SparkSession
SparkSession.builder.getOrCreate().range(3).count()
END
TIMEFORMAT='%R %U %S'

# once SETTING JOB: a line of setting, job, wall, CPU.
once()
{
    local submit=(bash "$hourly/scripts/spark_submit.sh")
    case $1 in
    plain) set -- "$@" SPARK_QUICK_START=no ;;
    flags) set -- "$@" STAGEGRAPH_COUNT=1 SPARK_ARCHIVE_DIR="$work/none" ;;
    archive) set -- "$@" SPARK_QUICK_START=archive ;;
    both) set -- "$@" STAGEGRAPH_COUNT=1 ;;
    esac
    case $2 in
    nothing) submit+=(job.py) ;;
    bronze) submit+=("$hourly/jobs/bronze/run_bronze_pipeline.py" -- --mode full
        --start 2013-03-08T20:00:00Z --end 2013-03-08T21:00:00Z --out "$work/w/bronze") ;;
    esac
    { time env "${@:3}" "${submit[@]}" >log 2>&1; } 2>took || { cat log >&2; exit 1; }
    awk -v s="$1" -v j="$2" '{ print s, j, $1, $2 + $3 }' took
}

for ((i = 0; i < ${ROUNDS:-5}; i++)); do
    for job in nothing bronze; do
        for setting in plain flags archive both; do
            once $setting $job
        done
    done
done | tee rows
printf '\n%-10s %-10s %8s %8s\n' JOB SETTING WALL CPU
for job in nothing bronze; do
    for setting in plain flags archive both; do
        median() { awk -v s=$setting -v j=$job -v c="$1" '$1 == s && $2 == j { print $c }' rows |
            sort -n | awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'; }
        printf '%-10s %-10s %8.2f %8.2f\n' $job $setting "$(median 3)" "$(median 4)"
    done
done
