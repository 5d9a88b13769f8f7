#!/bin/sh
# ninja bench: the same work for stagegraph, ninja and make, in turns, and the floors of the machine.
#
#   BENCH=full ninja bench     with ten years of hours too, which takes ten minutes and 4 GB
#   BENCH=hdfs ninja bench     a plan over HDFS alone, which is the end of all: hdfs.sh
#   BENCH_DIR=DIR              where the work is done (a new directory in $TMPDIR or /tmp, removed at
#                              the end): the file system matters
#
# Two minutes on two cores. docs/performance.md tells what the columns are and has figures.

set -eu
LC_ALL=C
export LC_ALL

[ "${BENCH-}" != hdfs ] || exec "$SRC_DIR/tests/bench/hdfs.sh"
built=$PWD
bench=$PWD/build/bench
sg=$STAGEGRAPH_BIN
dir=$(mktemp -d "${BENCH_DIR:-${TMPDIR:-/tmp}}/stagegraph-bench.XXXXXX")
trap 'cd / && rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM HUP
cd "$dir"
cpus=$(nproc)
export NINJA_STATUS=
unset MAKEFLAGS MAKELEVEL STAGEGRAPH_GRAPH STAGEGRAPH_NOW || :

fail()
{
    echo "bench: $*" >&2
    exit 1
}

# section TITLE
section()
{
    printf '\n%s\n' "$1"
}

# says WANTED COMMAND...: the command has to say so.
says()
{
    wanted=$1
    shift
    "$@" >said 2>&1 || { cat said >&2; fail "$*: failed"; }
    grep -q "$wanted" said || { cat said >&2; fail "$*: does not say \"$wanted\""; }
}

# ---- nothing to do

# Markers that are younger than two seconds are not kept by the cache, hence the sleep. The first
# plan reads them and makes the cache, where there are enough of them.
nothing()
{
    hours=$1 turns=$2
    nodes=$((3 * hours))
    mkdir "$hours"
    (
        cd "$hours"
        mkdir state
        "$bench/bench_tree" "$hours" "$bench/bench_touch"
        sed 's/^state = .*/state = none/' flights.ini >uncached.ini
        sleep 3
        says "Nothing to do: $(printf %d $nodes | sed ':a;s/\([0-9]\)\([0-9]\{3\}\)\($\|,\)/\1,\2\3/;ta') fresh" \
            "$sg" -f flights.ini plan
        # Another version of ninja may have another log: then it makes everything once.
        ninja -n | grep -q 'no work to do' || ninja >/dev/null
        says 'no work to do' ninja
        says 'Nothing to be done' make
        says "$nodes of $nodes" "$bench/bench_floor" list
        section "nothing to do, $hours hours x 3 stages = $nodes nodes ($turns turns)"
        "$bench/bench_race" -n "$turns" \
            stagegraph . "$sg" -f flights.ini plan -- \
            'stagegraph without a cache' . "$sg" -f uncached.ini plan -- \
            ninja . ninja -- \
            make . make -- \
            'stat of every marker' . "$bench/bench_floor" list -- \
            "stat on all $cpus cores" . "$bench/bench_floor" -j "$cpus" list
    )
}

# ---- a node

# Each turn has a directory of its own, so that all begin with nothing: a copy of jobs/template.

# template HOURS
template()
{
    rm -rf jobs/template
    mkdir -p jobs/template
    (
        cd jobs/template
        "$bench/bench_tree" "$1" "$bench/bench_touch" todo
        sed 's/^sync = no/sync = yes/' flights.ini >sync.ini
        sed 's/_SUCCESS/data/; s/^sg/alone/' list >alone.list
    )
}

# has_made NODES DIR...: all did the same.
has_made()
{
    wanted=$1
    shift
    for made; do
        n=$(find "jobs/$made" -name data -type f -size 5c | wc -l)
        [ "$n" -eq "$wanted" ] || fail "$made has $n files, not $wanted"
    done
}

race()
{
    # shellcheck disable=SC2016 # expanded for each turn
    (cd jobs && "$bench/bench_race" -p 'mkdir -p "$turn" && cp -r template "$turn/$dir"' "$@")
}

all_nodes()
{
    hours=$1 turns=$2 jobs=$3
    nodes=$((3 * hours))
    template "$hours"
    section "all $nodes nodes of a trivial command at -j$jobs, for a node ($turns turns)"
    race -n "$turns" -d "$nodes" \
        stagegraph "%/sg$jobs" "$sg" -f flights.ini run -q -j "$jobs" -- \
        ninja "%/ninja$jobs" ninja -j "$jobs" -- \
        make "%/make$jobs" make -j "$jobs" -- \
        'the processes alone' "%/alone$jobs" \
        "$bench/bench_floor" -j "$jobs" alone.list "$bench/bench_touch"
    has_made "$nodes" "$turns/sg$jobs/sg" "$turns/ninja$jobs/nj" "$turns/make$jobs/mk" \
        "$turns/alone$jobs/alone"
}

# What lies between two commands at -j1; their stamps are in the directory they run in.
between_nodes()
{
    hours=$1 turns=$2
    template "$hours"
    section "from a command's end to the next one's begin at -j1 ($turns turns of $((3 * hours)))"
    BENCH_STAMPS=stamps race -n "$turns" \
        stagegraph %/gap-sg "$sg" -f flights.ini run -q -j 1 -- \
        ninja %/gap-ninja ninja -j 1 -- \
        'the processes alone' %/gap-alone \
        "$bench/bench_floor" -j 1 alone.list "$bench/bench_touch" >/dev/null
    "$bench/bench_gaps" stagegraph jobs/*/gap-sg/stamps
    "$bench/bench_gaps" ninja jobs/*/gap-ninja/stamps
    "$bench/bench_gaps" 'the processes alone' jobs/*/gap-alone/stamps
}

# What it takes to be safe from a power cut: mostly the disk.
synced_nodes()
{
    hours=$1 turns=$2 jobs=$3
    nodes=$((3 * hours))
    template "$hours"
    section "the same for $nodes nodes, flushed ($turns turns)"
    race -n "$turns" -d "$nodes" \
        'sync = no' "%/no$jobs" "$sg" -f flights.ini run -q -j "$jobs" -- \
        'sync = yes' "%/yes$jobs" "$sg" -f sync.ini run -q -j "$jobs"
    has_made "$nodes" "$turns/no$jobs/sg" "$turns/yes$jobs/sg"
}

echo "$(date -u +%Y-%m-%d), $cpus cores, $(uname -sr), $(stat -f -c %T .), $(ninja --version) is ninja," \
    "$(make --version | head -n 1)"

# Nothing is removed before the end: ext4 is slow to make files for minutes after others were removed.
all_nodes 96 5 1
between_nodes 96 5
section "a command, by itself and as a job (5 turns of 200)"
"$bench/bench_shim" "$STAGEGRAPH_SHIM" 5 "$bench/bench_touch" "$dir/one"
synced_nodes 32 3 1
all_nodes 96 5 2
synced_nodes 32 3 2
nothing 1 61
nothing 24 31
nothing 744 21
nothing 8760 11
[ "${BENCH-}" != full ] || nothing 87600 5
section "in memory: a plan's view and sweep, the scheduler (the best of 3)"
"$bench/bench_sweep" 3
"$bench/bench_sched" 3
cd "$built" && "$SRC_DIR/tests/bench/hdfs.sh"
