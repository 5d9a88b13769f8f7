#!/bin/sh
# The demonstration: a storm over New York, built, built again, changed, killed and resumed.
#
# Works on a copy of this directory in $DEMO_DIR/flights, made afresh each time, and checks what it
# claims by looking at the markers in the store, not by what the program says: a node was run if and
# only if its marker is another one than before.
#
# Environment: STAGEGRAPH_BIN (the program), FLIGHTS_JAR (the compiled jobs), SRC_DIR (the checkout;
# default: where this script lies), DEMO_DIR (default: build/demo). `ninja demo` sets them.
set -eu
export LC_ALL=C
unset STAGEGRAPH_GRAPH STAGEGRAPH_NOW

fail()
{
    printf '\ndemo: %s\n' "$*" >&2
    exit 1
}

[ -x "${STAGEGRAPH_BIN:-}" ] || fail "STAGEGRAPH_BIN names no program"
[ -f "${FLIGHTS_JAR:-}" ] || fail "FLIGHTS_JAR names no jar (it takes a JDK to build it)"
program=$(readlink -f "$STAGEGRAPH_BIN")
graph=${SRC_DIR:+$SRC_DIR/graphs/flights}
graph=$(cd "${graph:-$(dirname "$0")}" && pwd -P)
mkdir -p "${DEMO_DIR:=build/demo}"
here=$(cd "$DEMO_DIR" && pwd -P)/flights

javac=${JAVA_HOME:+$JAVA_HOME/bin/javac}
[ -x "$javac" ] || javac=$(command -v javac) || fail "javac is not there: it takes a JDK"
PATH=$(dirname "$(readlink -f "$javac")"):$PATH

# ---- Showing and checking

chapter()
{
    printf '\n\n\n### %s\n' "$1"
    shift
    [ $# = 0 ] || printf '# %s\n' "$@"
}

# edit OLD NEW FILE: as sed would, but an OLD that is not there is a failure.
edit()
{
    printf "\n$ sed -i 's/%s/%s/' %s\n" "$@"
    grep -q "$1" "$3" || fail "$3 has no \"$1\""
    sed -i "s/$1/$2/" "$3"
}

stagegraph()
{
    printf '\n$ stagegraph %s\n' "$*"
    "$program" "$@"
}

land()
{
    set -- java -cp lib/flights.jar flights.Landing --data data --root warehouse --until "$1"
    printf '\n$ %s\n' "$*"
    "$@"
}

compile()
{
    # Strings joined without invokedynamic: 20 ms less for each start.
    printf '$ javac --release 17 -d classes jobs/*/*.java\n'
    printf '$ jar --create --file lib/flights.jar -C classes .\n'
    rm -rf classes
    find jobs -name '*.java' -exec javac --release 17 -XDstringConcat=inline -d classes {} +
    jar --create --file lib/flights.jar -C classes .
}

# The markers there are, each with what tells it from a later one in its place.
markers()
{
    find warehouse -name _SUCCESS -printf '%P %i %T@ %s\n' | sort
}

# Prints how many nodes of bronze, silver and gold have another marker than in the file $1.
ran_since()
{
    markers | comm -13 "$1" - | awk -F/ '
        { n[$1]++ }
        END { print n["bronze"] + 0, n["silver"] + 0, n["gold"] + 0 }'
}

now_ms()
{
    echo $(($(date +%s%N) / 1000000))
}

# step TITLE NODES-IN-RANGE "BRONZE SILVER GOLD" ARGUMENT…: runs the program, checks that it ran
# just so many nodes of each stage, and notes it for the end.
step()
{
    title=$1 range=$2 expected=$3
    shift 3
    markers >before
    began=$(now_ms)
    stagegraph "$@"
    note "$title" "$range" "$(ran_since before)" $(($(now_ms) - began))
    [ "$last" = "$expected" ] || fail "$title: ran $last of bronze, silver, gold, not $expected"
}

note()
{
    last=$3
    printf '%s\t%s\t%s\t%s\n' "$1" "$2" "$(echo "$3" | tr ' ' '\t')" "$4" >>steps
}

# ---- The scene

rm -rf "$here"
mkdir -p "$here/lib"
cp -R "$graph/stagegraph.ini" "$graph/jobs" "$graph/data" "$here/"
cp "$FLIGHTS_JAR" "$here/lib/flights.jar"
cd "$here"
: >steps
started=$(now_ms)

chapter "Data arrives" \
    "Real flights and weather of New York's airports, March 2013, a directory an hour." \
    "It is just past midnight there, after the third day of a storm."
land 2013-03-09T05:00:00Z

chapter "What is there to do?" "For each node the reason. Nothing is run yet."
stagegraph --now 2013-03-09T05:10:00Z plan --profile backfill --from 2013-03-06 --to 2013-03-08

chapter "Backfill of three days" \
    "72 hours of bronze, 72 of silver, 3 days of gold, each in a JVM of its own, two at once."
step "backfill of 6-8 March" 147 "72 72 3" \
    --now 2013-03-09T05:10:00Z backfill --from 2013-03-06 --to 2013-03-08 -j2

chapter "The same again" "Nothing has changed, so nothing runs."
step "the same again" 147 "0 0 0" \
    --now 2013-03-09T05:10:00Z backfill --from 2013-03-06 --to 2013-03-08 -j2

chapter "A job is changed" \
    "Silver calls an hour windy from 20 mph on; let it be 15. Bronze does not depend on that" \
    "code, silver does, and gold does if silver comes out otherwise."
edit 'WINDY_MPH = 20;' 'WINDY_MPH = 15;' jobs/silver/Silver.java
compile
stagegraph --now 2013-03-09T05:10:00Z plan --profile backfill --from 2013-03-06 --to 2013-03-08
stagegraph explain silver@2013-03-08T14
step "windy from 15 mph on" 147 "0 72 3" \
    --now 2013-03-09T05:10:00Z backfill --from 2013-03-06 --to 2013-03-08 -j2

chapter "A job is changed, its output is not" \
    "Another comment. Only running silver again can tell that its output is the same; it is, so" \
    "gold is left alone."
edit 'The first class that fits' 'The first that fits' jobs/silver/Silver.java
compile
step "another comment in silver" 147 "0 72 0" \
    --now 2013-03-09T05:10:00Z backfill --from 2013-03-06 --to 2013-03-08 -j2

chapter "The hourly profile" \
    "Nearly a day later: 23 hours of 9 March have landed, and nothing ran. The newest hour is made" \
    "first, the lookback makes up for the others. The day's gold waits for the day's last hour."
land 2013-03-10T04:00:00Z
step "hourly, after a day off" 51 "23 23 0" --now 2013-03-10T04:06:00Z hourly -j2

chapter "An hour later" \
    "The day's last hour lands: one bronze, one silver, and the gold of a whole day."
land 2013-03-10T05:00:00Z
step "hourly, an hour later" 52 "1 1 1" --now 2013-03-10T05:06:00Z hourly

chapter "And at once again" "Nothing has landed since, so nothing runs."
step "hourly, once more" 52 "0 0 0" --now 2013-03-10T05:06:00Z hourly

chapter "Killed in the middle" \
    "10 March has 23 hours in New York: the clocks went forward. Its backfill is killed with -9."
land 2013-03-11T04:00:00Z
set -- --now 2013-03-11T04:10:00Z backfill --from 2013-03-10 --to 2013-03-10 -j2
markers >before
began=$(now_ms)
printf '\n$ stagegraph %s &\n' "$*"
"$program" "$@" >interrupted.log 2>&1 &
pid=$!
while [ "$(markers | comm -13 before - | wc -l)" -lt 12 ]; do
    if ! kill -0 $pid 2>/dev/null; then
        cat interrupted.log
        fail "the backfill ended before it could be killed"
    fi
    sleep 0.05
done
printf '$ kill -9 %s\n' $pid
kill -9 $pid || fail "the backfill was over before it could be killed"
{ wait $pid && status=0 || status=$?; } 2>/dev/null
[ "$status" = 137 ] || fail "the killed backfill ended with status $status"

# Its jobs must end by themselves: no JVM may be left in this directory.
jvms_here()
{
    find /proc -maxdepth 2 -name cwd -lname "$here" 2>/dev/null | while read -r cwd; do
        [ "$(cat "${cwd%cwd}comm" 2>/dev/null)" != java ] || echo "$cwd"
    done
}
tries=0
while [ -n "$(jvms_here)" ]; do
    tries=$((tries + 1))
    [ $tries -lt 100 ] || fail "ten seconds after the kill there is still a JVM at work"
    sleep 0.1
done
note "backfill of 10 March, killed" - "$(ran_since before)" $(($(now_ms) - began))
markers >killed
read -r bronze silver gold <<.
$last
.
echo "# $bronze bronze, $silver silver and $gold gold were done; no JVM of it is left."

chapter "Resumed" "What was done stays as it is; the rest is run."
step "resumed" 47 "$((23 - bronze)) $((23 - silver)) $((1 - gold))" resume -j2
[ -z "$(markers | comm -23 killed -)" ] || fail "resume has touched nodes that were done"

# ---- What came of it

chapter "The storm" "Gold, a line a day of New York:"
awk -F, '
    BEGIN {
        format = "%-11s %5s %8s %10s %9s %11s %11s %8s %9s  %s\n"
        printf "\n" format, "DAY", "HOURS", "FLIGHTS", "CANCELLED", "DIVERTED", "DEP. DELAY",
            "ARR. DELAY", "LATE", "MAX WIND", "WORST"
    }
    FNR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
    {
        printf format, $at["date"], $at["hours"], $at["flights"], $at["cancelled"], $at["diverted"],
            $at["mean_dep_delay"] " min", $at["mean_arr_delay"] " min", $at["late_pct"] " %",
            $at["max_wind"] " mph", $at["worst_weather"]
    }' warehouse/gold/dt=*/summary.csv
printf '\n# 8 March, the worst mean delay of the whole year, by the weather at departure:\n\n'
awk -F, '
    BEGIN { format = "%-11s %8s %10s %11s %11s %11s\n" }
    FNR == 1 {
        for (i = 1; i <= NF; i++) at[$i] = i
        printf format, "WEATHER", "FLIGHTS", "CANCELLED", "DEP. DELAY", "ARR. DELAY", "WORST"
        next
    }
    {
        printf format, $at["weather"], $at["flights"], $at["cancelled"],
            $at["mean_dep_delay"] " min", $at["mean_arr_delay"] " min", $at["worst_dep_delay"] " min"
    }' warehouse/gold/dt=2013-03-08/by_weather.csv

for facts in 2013-03-06,24,972,180,1,21.0 2013-03-08,24,979,180,1,83.5 2013-03-10,23,908,5,1,10.7
do
    grep -qF "$facts," "warehouse/gold/dt=${facts%%,*}/summary.csv" || fail "gold lacks $facts"
done

chapter "What ran, and what was left alone" "By the markers in the store:"
awk -F'\t' '
    BEGIN {
        format = "%-30s %7s %7s %6s %9s %9s\n"
        printf "\n" format, "STEP", "BRONZE", "SILVER", "GOLD", "LEFT", "TIME"
    }
    {
        rest = $2 == "-" ? "-" : $2 - $3 - $4 - $5
        ran += $3 + $4 + $5; left += rest; ms += $6
        printf format, $1, $3, $4, $5, rest, sprintf("%.1f s", $6 / 1000)
    }
    END { printf "\n%d nodes run, %d left alone, %.1f s\n", ran, left, ms / 1000 }' steps
printf 'All of it took %s s. Everything is in %s\n' $((($(now_ms) - started) / 1000)) "$here"
