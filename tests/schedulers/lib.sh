# lib.sh: what the tests of the schedulers share; read by them in a scratch directory of their own.
# shellcheck shell=bash

ok=

# verdict NAME: the case is over; what expect said against it is above.
verdict()
{
    if [ -z "$ok" ]; then echo "ok   $1"; else echo "FAIL $1"; fi
    ok=
}

# expect WHAT GOT WANTED; WANTED is a pattern of the shell's.
expect()
{
    # shellcheck disable=SC2053
    [[ $2 == $3 ]] || { printf '%s:\n  got    %s\n  wanted %s\n' "$1" "$2" "$3"; ok=no; }
}

# within SECONDS COMMAND…: until it succeeds.
within()
{
    local until=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $until ] || { printf 'not in time: %s\n' "$*"; ok=no; return 1; }
        sleep 0.2
    done
}

# world CASE: $W becomes the directory of $STAGEGRAPH_GRAPH, a graph of one stage whose job does what
# the file "mode" says, with an empty store. Its hours have landed until 05:00; stagegraph's clock is
# in the file "now". CASE is how `stagegraph hourly` will end: ok nothing failed timeout blocked busy
# usage system store.
world()
{
    [ -z "${holder:-}" ] || { kill "$holder"; wait "$holder"; } 2>/dev/null
    holder=
    find "${W:?}" -mindepth 1 -delete
    mkdir -p "$W/data"
    cp "$TEST_DIR/job.sh" "$TEST_DIR/Sleeper.class" "$W/"
    cp "$TEST_DIR/graph.ini" "$STAGEGRAPH_GRAPH"
    land 01 02 03 04
    clock 05:10
    mode ok
    case $1 in
    nothing | blocked | busy) stagegraph hourly >/dev/null ;;
    esac
    case $1 in
    blocked) clock 06:10 ;;
    failed) mode fail ;;
    timeout) mode wait && sed -i 's/^timeout.*/timeout = 1/' "$STAGEGRAPH_GRAPH" ;;
    busy)
        next_hour 05 06:10 ok
        flock --no-fork "$W/data/_stagegraph/claims/count/2024-01-01T05" sleep 1000 &
        holder=$!
        within 10 test -e "$W/data/_stagegraph/claims/count/2024-01-01T05"
        ;;
    usage) echo 'order2 = newest' >>"$STAGEGRAPH_GRAPH" ;;
    system) touch "$W/.stagegraph" ;;
    store) mv "$W/data" "$W/away" && touch "$W/data" ;;
    esac
}

# mend: room for the state directory, and the store is back.
mend()
{
    [ ! -f "$W/.stagegraph" ] || rm "$W/.stagegraph"
    [ ! -d "$W/away" ] || { rm "$W/data" && mv "$W/away" "$W/data"; }
}

land()
{
    local hour
    for hour; do
        mkdir -p "$W/data/landing/$hour"
        echo "$hour" >"$W/data/landing/$hour/rows"
        touch "$W/data/landing/$hour/_DONE"
    done
}

clock() { echo "2024-01-01T$1:00Z" >"$W/now"; }
mode() { echo "$1" >"$W/mode"; }

# next_hour HOUR HH:MM MODE: one more has landed, and its job is one of that kind.
next_hour()
{
    land "$1"
    clock "$2"
    mode "$3"
    rm -f "$W/jvm" "$W/go"
}

# made: the hours that are done.
made() { (cd "$W/data/count" && echo hr=*/_SUCCESS | sed 's,hr=\([0-9*]*\)/_SUCCESS,\1,g'); }

claims() { find "$W/data/_stagegraph/claims" -type f; }

# processes: those that run for the graph: stagegraph, its shims, and their jobs.
processes()
{
    local dir
    for dir in /proc/[0-9]*; do
        # What a job sees as STAGEGRAPH_GRAPH is the graph's name.
        grep -qzxF -e "STAGEGRAPH_GRAPH=$STAGEGRAPH_GRAPH" -e "STAGEGRAPH_STATE_DIR=$W/.stagegraph" \
            "$dir/environ" 2>/dev/null || continue
        case $(cat "$dir/comm" 2>/dev/null) in
        stagegraph* | java | setpriv) ;;
        *) grep -qaF job.sh "$dir/cmdline" 2>/dev/null || continue ;;
        esac
        echo "${dir#/proc/}"
    done
}

# the NAME: the process of that name which runs for the graph.
the() { local p; for p in $(processes); do [ "$(cat "/proc/$p/comm")" != "$1" ] || echo "$p"; done; }
parent_of() { ps -o ppid= -p "$1" | tr -d ' '; }
# started: is the JVM up?
started() { [ -s "$W/jvm" ]; }
# running: a JVM and a claim are there, or what comes would prove nothing.
running()
{
    within 60 started
    expect "JVMs that run" "$(the java | wc -l)" 1
    expect "claims" "$(claims | wc -l)" 1
}
nothing_left() { [ -z "$(processes)" ] && [ -z "$(claims)" ]; }
# all_gone: no process and no claim is left, soon.
all_gone()
{
    within 30 nothing_left || { ps -o pid,ppid,args -p "$(processes | paste -sd,)"; claims; }
}
