#!/bin/sh
# The demonstration on HDFS: starts a NameNode and a DataNode, builds a day of the storm in them,
# shows what an ordinary HDFS client sees of it, and stops the daemons.
#
# Works on a copy of this directory in $DEMO_DIR/flights-hdfs, made afresh each time. What was run is
# told from the markers, as the client lists them.
#
# Environment: as demo.sh; HDFS_CLUSTER names tests/hdfs/cluster (default: that of $SRC_DIR).
# `ninja demo-hdfs` sets it.
set -eu
export LC_ALL=C
unset STAGEGRAPH_GRAPH STAGEGRAPH_NOW

fail()
{
    printf '\ndemo-hdfs: %s\n' "$*" >&2
    exit 1
}

[ -x "${STAGEGRAPH_BIN:-}" ] || fail "STAGEGRAPH_BIN names no program"
[ -f "${FLIGHTS_JAR:-}" ] || fail "FLIGHTS_JAR names no jar (it takes a JDK to build it)"
program=$(readlink -f "$STAGEGRAPH_BIN")
source=$(cd "${SRC_DIR:-$(dirname "$0")/../..}" && pwd -P)
graph=$source/graphs/flights
cluster=${HDFS_CLUSTER:-$source/tests/hdfs/cluster}
mkdir -p "${DEMO_DIR:=build/demo}"
demo=$(cd "$DEMO_DIR" && pwd -P)
here=$demo/flights-hdfs

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

# The ordinary client, from Hadoop's own jars.
dfs()
{
    printf '\n$ hdfs dfs %s\n' "$*"
    "$cluster" -s "$demo/hdfs" run dfs "$@"
}

# The markers there are, with when they were written in ms.
markers()
{
    "$cluster" -s "$demo/hdfs" run dfs -ls -R /flights |
        sed -n 's,.* \(/.*/_SUCCESS\)$,\1,p' | sort >paths
    # shellcheck disable=SC2046 # none has a blank
    "$cluster" -s "$demo/hdfs" run dfs -stat %Y $(cat paths) | paste -d ' ' - paths | sort
}

# expect COUNT: so many nodes have a marker now.
expect()
{
    markers >now
    [ "$(wc -l <now)" = "$1" ] || fail "$(wc -l <now) markers, not $1"
}

# ---- The scene

rm -rf "$here"
mkdir -p "$here/lib"
cp -R "$graph/stagegraph.ini" "$graph/jobs" "$graph/data" "$here/"
cp "$FLIGHTS_JAR" "$here/lib/flights.jar"

chapter "A file system" "One NameNode, one DataNode, on free ports of this machine."
[ ! -e "$demo/hdfs/mode" ] || "$cluster" -s "$demo/hdfs" down --purge
trap '"$cluster" -s "$demo/hdfs" down' EXIT
trap 'exit 1' INT TERM HUP
printf '\n$ tests/hdfs/cluster -s %s up hdfs\n' "$DEMO_DIR/hdfs"
"$cluster" -s "$demo/hdfs" up hdfs
eval "$("$cluster" -s "$demo/hdfs" env)"
cd "$here"
sed -i "s|^root = warehouse|root = $HDFS_URI/flights|" stagegraph.ini
grep "^root = hdfs://" stagegraph.ini || fail "the graph has no root to change"

chapter "Data arrives" "The hours of 8 March 2013, a day of New York, by a program that writes to HDFS."
set -- java -cp lib/flights.jar flights.Landing --data data --root "$HDFS_URI/flights" \
    --from 2013-03-08T05:00:00Z --until 2013-03-09T05:00:00Z
printf '\n$ %s\n' "$*"
"$@"

chapter "A backfill" "24 hours of bronze, 24 of silver, a day of gold; each a JVM, which reads and writes HDFS."
set -- --now 2013-03-09T05:10:00Z backfill --from 2013-03-08 --to 2013-03-08 -j2
stagegraph "$@"
expect 49
cp now before

chapter "What an ordinary client sees" \
    "A marker is an empty file, as Spark leaves it; the receipt is an extended attribute of it."
dfs -ls /flights/gold/dt=2013-03-08
dfs -getfattr -d /flights/gold/dt=2013-03-08/_SUCCESS | tee attribute
grep -q '"node":"gold@2013-03-08","state":"done"' attribute || fail "the receipt is not there"
[ "$("$cluster" -s "$demo/hdfs" run dfs -stat %b /flights/gold/dt=2013-03-08/_SUCCESS)" = 0 ] ||
    fail "the marker is not empty"
dfs -cat /flights/gold/dt=2013-03-08/summary.csv | tee summary
grep -qF 2013-03-08,24,979,180,1,83.5, summary || fail "gold lacks its facts"

chapter "The same again" "Nothing has changed, so nothing runs."
stagegraph "$@"
expect 49
cmp -s now before || fail "a marker was written again"

chapter "An hour is deleted" "By somebody with an ordinary client. It is made again; the same came out, so gold is left alone."
dfs -rm -r -skipTrash /flights/silver/dt=2013-03-08/hr=14
stagegraph --now 2013-03-09T05:10:00Z plan --profile backfill --from 2013-03-08 --to 2013-03-08
stagegraph "$@"
expect 49
[ "$(comm -13 before now | cut -d ' ' -f 2)" = /flights/silver/dt=2013-03-08/hr=14/_SUCCESS ] ||
    fail "more or less than that hour was made again"

printf '\nThe daemons are stopped; everything is in %s\n' "$here"
