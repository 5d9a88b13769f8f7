# shellcheck shell=sh disable=SC2016,SC2034,SC2164
# What the scenarios of ninja bench share: graphs, trees, races.

fail()
{
    echo "bench: $*" >&2
    exit 1
}

# What is raced, in $dir/bin, whose paths have no blanks; for the length of this script.
make_bin()
{
    mkdir "$dir/bin"
    for program in "$PWD"/build/bench/bench_*; do
        ln -s "$program" "$dir/bin/"
    done
    ln -s "$STAGEGRAPH_BIN" "$dir/bin/stagegraph"
    [ -z "${BENCH_BEFORE-}" ] || ln -s "$(realpath "$BENCH_BEFORE")" "$dir/bin/stagegraph-before"
    PATH=$dir/bin:$PATH touch=$dir/bin/bench_touch shim=$STAGEGRAPH_SHIM
    unset MAKEFLAGS MAKELEVEL STAGEGRAPH_GRAPH STAGEGRAPH_SHIM || :
    NINJA_STATUS=""
    export NINJA_STATUS PATH
}

# version COMMAND...: the first line that it says.
version()
{
    command -v "$1" >/dev/null && "$@" 2>&1 | head -n 1 || echo "not installed"
}

# A directory to work in.
set_up()
{
    results=$(realpath "${BENCH_OUT:-build/bench/results}") cpus=$(nproc)
    : >"$results"
    dir=$(mktemp -d "$(realpath "${BENCH_DIR:-${TMPDIR:-/tmp}}")/stagegraph-bench.XXXXXX")
    trap 'cd / && rm -rf "$dir"' EXIT
    trap 'exit 1' INT TERM HUP
    make_bin
    mkdir "$dir/compat"
    echo "$(date -u '+%Y-%m-%d %H:%M') UTC, $cpus cores, load $(cut -d ' ' -f 1-3 /proc/loadavg)," \
        "$(uname -sr), $(stat -f -c %T "$dir")"
    echo "ninja: $(version ninja --version); samurai: $(version samu --version);" \
        "n2: $(command -v n2 >/dev/null && echo installed || echo not installed);" \
        "make: $(version make --version)"
    command -v strace >/dev/null || echo "strace is not installed: system calls are not counted"
}

# section TITLE
section()
{
    printf '\n%s\n' "$1"
}

# sizes DEFAULT FULL: the hours to go through.
sizes()
{
    if [ -n "${HOURS-}" ]; then
        echo "$HOURS"
    elif [ -n "$full" ]; then
        echo "$1 $2"
    else
        echo "$1"
    fi
}

# commas NUMBER
commas()
{
    echo "$1" | sed ':a;s/\([0-9]\)\([0-9]\{3\}\)\($\|,\)/\1,\2\3/;ta'
}

# ---- graphs

# The head of a graph file: hours from 2013 on.
graph()
{
    cat <<.
[graph]
start = 2013-01-01
partition = hour
delay = 0
state = state
[store]
root = store
sync = no
[profile hourly]
window = 1
lookback = 24
.
}

# stage NAME [NEEDS [LINE]...]: makes one file a partition.
stage()
{
    case "$*" in
    *'partition = 10m'*) output='dt-${ds}/at-${HH}${mm}' ;;
    *'partition = '*) output='dt-${ds}' ;;
    *) output='dt-${ds}/hr-${HH}' ;;
    esac
    printf '[stage %s]\ncommand = %s ${output}/data\noutput = %s/%s\n' "$1" "$touch" "$1" "$output"
    [ -z "${2-}" ] || echo "needs = $2"
    shift
    [ $# -eq 0 ] || shift
    for line; do
        echo "$line"
    done
}

# Three stages, silver from bronze and gold from silver.
graph_flights()
{
    graph
    stage bronze
    stage silver bronze
    stage gold silver
}

# The same where silver has a file of code.
graph_coded()
{
    graph
    stage bronze
    stage silver bronze 'code = silver.code'
    stage gold silver
}

# Gold is a day of 24 hours of silver.
graph_day()
{
    graph
    stage bronze
    stage silver bronze
    stage gold silver 'partition = day'
}

# Each hour of silver stands on the one before.
graph_chain()
{
    graph
    stage bronze
    stage silver 'bronze silver@-1'
    stage gold silver
}

# Each hour of silver stands on a week of bronze.
graph_window()
{
    graph
    stage bronze
    stage silver bronze@-167..0
    stage gold silver
}

# From ten minutes to months.
graph_mixed()
{
    graph
    stage ten '' 'partition = 10m'
    stage hour ten
    stage day hour 'partition = day'
    stage week day 'partition = week'
    stage month day 'partition = month'
}

# 200 stages in 20 ranks of ten, each on three of the rank before.
graph_wide()
{
    graph
    i=0
    while [ $i -lt 200 ]; do
        if [ $i -lt 10 ]; then
            stage "s$i"
        else
            b=$((i / 10 * 10 - 10))
            stage "s$i" "s$((b + i % 10)) s$((b + (i + 1) % 10)) s$((b + (i + 3) % 10))"
        fi
        i=$((i + 1))
    done
}

# ---- trees

# at HOURS: the time when so many of them are over.
at()
{
    echo $((1356998400 + $1 * 3600))
}

# in_middle HOURS: $day and $hour of one of them.
in_middle()
{
    day=$(date -u -d "@$(at $(($1 / 2)))" +%Y-%m-%d)
    hour=$(date -u -d "@$(at $(($1 / 2)))" +%H)
}

# tree WHAT SHAPE HOURS: the current directory becomes that tree, which is made if it is not there.
# $nodes: how many it has. What is made is some seconds old then (BENCH_SETTLE): a cache trusts no
# younger marker.
tree()
{
    cd "$dir"
    tree=$2-$3-$1
    STAGEGRAPH_NOW=$(date -u -d "@$(at "$3")" +%Y-%m-%dT%H:%M:%SZ)
    export STAGEGRAPH_NOW
    if [ ! -d "$tree" ]; then
        mkdir -p "$tree/state" "$tree/before"
        cd "$tree"
        echo one >silver.code
        "graph_$2" >graph.ini
        sed 's/^state = .*/state = none/' graph.ini >uncached.ini
        sed 's/^sync = .*/sync = yes/' graph.ini >sync.ini
        for of in graph uncached sync; do
            sed 's/^state = state/state = before/' $of.ini >$of-before.ini
        done
        bench_tree "$1" graph.ini "$(at "$3")" "$touch" >nodes
        [ "$1" != todo ] || cp build.ninja samu.ninja
        if [ "$1" != todo ]; then
            adopt
            sleep "${BENCH_SETTLE:-3}"
        fi
    fi
    cd "$dir/$tree"
    BENCH_TOUCH=
    [ "$1" != made ] || BENCH_TOUCH=no # nobody makes a marker anew that all look at
    export BENCH_TOUCH
    nodes=$(cat nodes)
}

# The peers are told that all is made. samurai has a log as ninja has, and a directory for it of its
# own; where a version of either has another log than ours, commands don't count (generator). n2 is
# told as CMake tells it, under ninja's name.
adopt()
{
    [ -f build.ninja ] || return 0
    mkdir samu
    cp .ninja_log samu/
    cp build.ninja samu.ninja
    echo 'builddir = samu' >>samu.ninja
    ninja -n | grep -q 'no work to do' || sed -i 's/^rule .*/&\n  generator = 1/' build.ninja
    if command -v samu >/dev/null; then
        samu -f samu.ninja -n 2>&1 | grep -q 'nothing to do' ||
            sed -i 's/^rule .*/&\n  generator = 1/' samu.ninja
    fi
    if command -v n2 >/dev/null; then
        ln -sf "$(command -v n2)" "$dir/compat/ninja"
        "$dir/compat/ninja" -t restat >said 2>&1 || { cat said && fail "n2 -t restat: failed"; }
    fi
}

# ---- races

# The peers that are installed and asked for.
peers()
{
    for name in ninja samu n2 make bmake; do
        case " ${PEERS:-$name} " in
        *" $name "*) ! command -v "$name" >/dev/null || echo "$name" ;;
        esac
    done
}

# race KEY TURNS OPTION... <TABLE: bench_race, with the table as this call of ninja bench wants it.
race()
{
    key=$1 turns=${TURNS:-$2}
    shift 2
    awk -F ' *[|] *' -v peers=" ${PEERS-} " -v before="${BENCH_BEFORE:+yes}" '
        BEGIN { others = " ninja samu n2 make bmake " }
        peers != "  " && index(others, " " $1 " ") && !index(peers, " " $1 " ") { next }
        { print }
        before && /^stagegraph/ {
            sub(/^stagegraph/, "before")
            sub(/[|] *stagegraph /, "| stagegraph-before ")
            sub(/[.]ini /, "-before.ini ")
            sub(/[|] sg [|]/, "| before |")
            sub(/%\/sg-/, "%/before-")
            print
        }' | bench_race -n "$turns" -o "$results" -k "$key" "$@"
}

# The floors below the look at all markers, as lines of a table.
floors()
{
    cat <<.
stat of every marker | $nodes of $nodes | . | bench_floor stat list
stat on all $cpus cores | $nodes of $nodes | . | bench_floor -j $cpus stat list
readdir of their parents | - | . | bench_floor readdir list
.
    for cache in state/cache-*; do
        [ ! -f "$cache" ] || echo "mmap of the cache | - | . | bench_floor mmap $cache"
    done
}
