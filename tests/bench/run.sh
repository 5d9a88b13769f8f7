#!/bin/sh
# shellcheck disable=SC2034,SC2154 # of lib.sh
# ninja bench: the same work for stagegraph and other build systems, in turns, and the floors of the
# machine.
#
#   BENCH="nothing explain" ninja bench    these scenarios alone; BENCH=list tells them
#   BENCH=full ninja bench                 all, and ten and a hundred years of hours: an hour or so,
#                                          22 GB and 5.3 million of small files
#   BENCH=hdfs ninja bench                 a plan over HDFS alone (hdfs.sh), which ends all otherwise
#   HOURS="744 8760"                       sizes, where a scenario has them
#   TURNS=9                                of every race
#   PEERS="ninja make"                     beside these alone
#   BENCH_BEFORE=DIR/build/stagegraph      and beside another stagegraph, as "before"
#   BENCH_DIR=DIR                          where the work is done (a new directory in $TMPDIR or /tmp,
#                                          removed at the end): the file system matters
#   BENCH_OUT=FILE                         for the results, a line a contestant (bench_race.c tells
#                                          what it has); otherwise build/bench/results
#
# docs/performance.md tells what the columns are and has figures.

set -eu
LC_ALL=C
export LC_ALL

here=$SRC_DIR/tests/bench
scenarios='nothing first missing code explain hourly day mixed chain window windows wide history backfill hour between sync job memory'

BENCH=${BENCH:-all} full=
case " $BENCH " in
*" list "*) echo "$scenarios hdfs" && exit ;;
*" full "*) full=yes BENCH="$scenarios hdfs" ;;
*" all "*) BENCH="$scenarios hdfs" ;;
esac
[ "$BENCH" != hdfs ] || exec "$here/hdfs.sh"

# shellcheck disable=SC1091
. "$here/lib.sh"
# shellcheck disable=SC1091
. "$here/plans.sh"
# shellcheck disable=SC1091
. "$here/runs.sh"

for scenario in $BENCH; do
    case " $scenarios hdfs " in
    *" $scenario "*) ;;
    *) fail "no scenario $scenario; there are $scenarios hdfs" ;;
    esac
done

set_up
for scenario in $BENCH; do
    [ "$scenario" = hdfs ] || (cd "$dir" && "scenario_$scenario")
done
awk -v floor="stat on all $cpus cores" -f "$here/targets.awk" "$results"
case " $BENCH " in
*" hdfs "*) "$here/hdfs.sh" ;;
esac
