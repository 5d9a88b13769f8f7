# shellcheck shell=sh disable=SC2154,SC2164
# The scenarios of ninja bench that run commands. Each turn has a directory of its own, so that all
# begin with the same: a copy of a tree. Nothing is removed before the end: ext4 is slow to make files
# for minutes after others were removed.

# race_copies SHAPE HOURS KEY TURNS OPTION... <TABLE: DIR of the table is the copy's name.
race_copies()
{
    from=$1
    shift
    mkdir -p "$dir/copies"
    cd "$dir/copies"
    # shellcheck disable=SC2016 # expanded for each turn
    FROM=$dir/$from race "$@" -p 'mkdir -p "$turn" && cp -a "$FROM" "$turn/$dir"'
}

# has_made NODES DIR...: all did the same.
has_made()
{
    wanted=$1
    shift
    for made; do
        n=$(find "$dir/copies/$made/store" -name data -type f -size 5c 2>/dev/null | wc -l)
        [ "$n" -eq "$wanted" ] || fail "$made has $n files, not $wanted"
    done
}

# all_nodes KEY HOURS TURNS JOBS OPTION...
all_nodes()
{
    tree todo flights "$2"
    key=$1/$2/j$4 of=$1$2-$4 jobs=$4
    turns=${TURNS:-$3}
    shift 4
    section "all $nodes nodes of a trivial command at -j$jobs, for a node ($turns turns)"
    race_copies "$tree" "$key" "$turns" -d "$nodes" -w "$@" <<.
stagegraph | - | %/sg-$of | stagegraph -f graph.ini run -q -j $jobs
ninja | - | %/ninja-$of | ninja -j $jobs
samu | - | %/samu-$of | samu -f samu.ninja -j $jobs
n2 | - | %/n2-$of | n2 -j $jobs
make | - | %/make-$of | make -r -j $jobs
bmake | - | %/bmake-$of | bmake -r -j $jobs
the processes alone | - | %/alone-$of | bench_floor -j $jobs spawn work $touch
.
    for made in "$dir/copies/$turns"/*-"$of"; do
        has_made "$nodes" "$turns/${made##*/}"
    done
}

# A month; and a day for the system calls, which strace makes slow.
scenario_backfill()
{
    for hours in $(sizes 744 ''); do
        all_nodes backfill "$hours" 3 1
        all_nodes backfill "$hours" 3 2
    done
    all_nodes backfill 24 1 1 -s
}

# What people wait for each hour: three nodes of many, the others being made. Each has a tree of its own,
# in which these three are removed before each turn.
scenario_hour()
{
    for hours in $(sizes 744 8760); do
        tree both flights "$hours"
        section "three nodes of $nodes are missing and made"
        in_middle "$hours"
        mkdir -p "$dir/copies/hour$hours"
        cd "$dir/copies/hour$hours"
        for name in sg before $(peers); do
            cp -a "$dir/$tree" "$name"
        done
        sleep "${BENCH_SETTLE:-3}"
        stagegraph -f sg/graph.ini plan >/dev/null
        [ -z "${BENCH_BEFORE-}" ] || stagegraph-before -f before/graph-before.ini plan >/dev/null
        race "hour/$hours" 15 -s -p "rm -rf \$dir/store/*/dt-$day/hr-$hour" <<.
stagegraph | - | sg | stagegraph -f graph.ini run -q
ninja | - | ninja | ninja
samu | - | samu | samu -f samu.ninja
n2 | - | n2 | n2
make | - | make | make -r
bmake | - | bmake | bmake -r
.
        for name in sg $(peers); do
            has_made 3 "hour$hours/$name"
        done
    done
}

# What lies between two commands at -j1; their stamps are in the directory they run in.
scenario_between()
{
    tree todo flights 96
    section "from a command's end to the next one's begin at -j1"
    BENCH_STAMPS=stamps
    export BENCH_STAMPS
    race_copies "$tree" between 5 -w >/dev/null <<.
stagegraph | - | %/gap-stagegraph | stagegraph -f graph.ini run -q -j 1
ninja | - | %/gap-ninja | ninja -j 1
samu | - | %/gap-samu | samu -f samu.ninja -j 1
n2 | - | %/gap-n2 | n2 -j 1
make | - | %/gap-make | make -r -j 1
the processes alone | - | %/gap-alone | bench_floor -j 1 spawn work $touch
.
    unset BENCH_STAMPS
    for name in stagegraph ninja samu n2 make alone; do
        [ ! -d "$dir/copies/1/gap-$name" ] || bench_gaps "$name" "$dir/copies"/*/gap-$name/stamps
    done
}

# What it takes to be safe from a power cut: mostly the disk.
scenario_sync()
{
    tree todo flights 32
    for jobs in 1 2; do
        section "all $nodes nodes at -j$jobs, flushed, for a node"
        race_copies "$tree" "sync/j$jobs" 3 -d "$nodes" -w <<.
sync = no | - | %/no-$jobs | stagegraph -f graph.ini run -q -j $jobs
sync = yes | - | %/yes-$jobs | stagegraph -f sync.ini run -q -j $jobs
.
        has_made "$nodes" "${TURNS:-3}/no-$jobs" "${TURNS:-3}/yes-$jobs"
    done
    command -v strace >/dev/null || return 0
    cp -a "$dir/$tree" "$dir/copies/flushes"
    cd "$dir/copies/flushes"
    strace -f -c -U calls,name -e trace=fsync,fdatasync,syncfs -o calls \
        stagegraph -f sync.ini run -q -j 1 >/dev/null
    echo "flushes for each node, its file's and new directories' and the history's counted:" \
        "$(awk -v n="$nodes" '$2 == "total" { printf "%.1f", $1 / n }' calls)"
}

scenario_job()
{
    section "a command, by itself and as a job (5 turns of 200)"
    bench_shim "$shim" 5 "$touch" "$dir/one"
}

scenario_memory()
{
    section "in memory: a plan's view and sweep, the scheduler (the best of 3)"
    bench_sweep 3 | tee "$dir/sweep"
    sed -n 's/.* fresh: .*sweep *\([0-9.]*\) ns.*/sweep\t-\t\1/p' "$dir/sweep" | head -n 1 >>"$results"
    bench_sched 3
}
