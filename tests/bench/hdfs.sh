#!/bin/sh
# shellcheck disable=SC2154 # lib.sh sets day, hour, touch; the cluster URLs
# A plan with nothing to do over a real NameNode, beside what an ordinary client takes to look at the
# same files. Part of ninja bench; BENCH=hdfs ninja bench runs it alone.
#
#   HOURS=87600 HADOOP_HEAP=3g BENCH=hdfs ninja bench    ten years: ten minutes, 1 GB of small files
#
# Where Hadoop's jars or a JDK are missing it says so and measures nothing: configure
# --bootstrap-hdfs installs what they take, ninja check-hdfs fetches the jars.

set -eu

# shellcheck disable=SC1091
. "$SRC_DIR/tests/bench/lib.sh"
cluster=$SRC_DIR/tests/hdfs/cluster
version=$(sed -n 's:.*<hadoop.version>\(.*\)</hadoop.version>.*:\1:p' "$SRC_DIR/tests/hdfs/pom.xml")
jars=${HADOOP_JARS:-${XDG_CACHE_HOME:-$HOME/.cache}/stagegraph/hadoop-$version}
hours=${HOURS:-744} turns=${TURNS:-5}
hours=${hours%% *}

if [ ! -d "$jars" ] || ! command -v javac >/dev/null; then
    echo
    echo "HDFS: NOT MEASURED, for want of $([ -d "$jars" ] && echo "a JDK" || echo "$jars" \
        "(tests/hdfs/cluster fetch)")"
    exit 0
fi

dir=$(mktemp -d "$(realpath "${BENCH_DIR:-${TMPDIR:-/tmp}}")/stagegraph-hdfs.XXXXXX")
trap '"$cluster" -s "$dir/c" down --purge || :; cd / && rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM HUP
make_bin
cd "$dir"

"$cluster" -s "$dir/c" up hdfs >&2 || fail "no cluster"
eval "$("$cluster" -s "$dir/c" env)"
url=$WEBHDFS_URL/bench/sg nodes=$((3 * hours))

echo one >silver.code
graph_coded >flights.ini
bench_tree store flights.ini "$(at "$hours")" "$touch" >/dev/null
STAGEGRAPH_NOW=$(date -u -d "@$(at "$hours")" +%Y-%m-%dT%H:%M:%SZ)
export STAGEGRAPH_NOW
java -Djava.io.tmpdir="$dir" -cp "$HADOOP_CONF_DIR:$jars/*" "$SRC_DIR/tests/bench/Load.java" store /bench/sg 32 >load.out 2>&1 ||
    { cat load.out >&2; fail "the markers could not be made"; }
sed 's:^store/::' list >names
sed "s|^root = store|root = $HDFS_URI/bench/sg|; s|^state = .*|state = s|" flights.ini >hdfs.ini
cat >lsr <<.
#!/bin/sh
exec "$cluster" -s "$dir/c" run dfs -ls -R /bench/sg
.
cat >cold <<.
#!/bin/sh
rm -rf s && mkdir s && exec stagegraph -f hdfs.ini plan
.
chmod +x lsr cold
sleep 3 # younger directories are not trusted

# told WHAT WANTED COMMAND...: the requests of a plan, which has to say so.
told()
{
    what=$1 wanted=$2
    shift 2
    stagegraph -f hdfs.ini "$@" -v >said 2>&1 || { cat said >&2; fail "$*: failed"; }
    grep -q "$wanted" said || { cat said >&2; fail "$*: does not say \"$wanted\""; }
    echo "$what $(sed -n 's/^Store: \(.*\) requests, \(.*\)/\1 requests, \2/p' said)"
}

printf '\nnothing to do over HDFS, %s hours x 3 stages = %s nodes (%s turns)\n' "$hours" "$nodes" "$turns"
rm -rf s && mkdir s
fresh='Nothing to do: .* fresh'
told 'cold, a machine that has seen nothing:' "$fresh" plan
told 'warm:' "$fresh" plan
days=$(((hours + 23) / 24))
warm=$(sed -n 's/^Store: \([0-9,]*\) requests.*/\1/p' said | tr -d ,)
echo "the target: a request a stage and day, $((3 * days)), and a few: $((warm - 3 * days)) more"
[ "$warm" -le $((3 * days + 10)) ] || fail "$warm requests are more than that"
each=$(bench_status "$url" 1 names) || fail "not all markers have a status"
echo "GETFILESTATUS of each: $each"
bench_race -n "$turns" <<.
plan, warm | Nothing to do | . | stagegraph -f hdfs.ini plan
plan, cold | Nothing to do | . | ./cold
GETFILESTATUS, 1 connection | - | . | bench_status $url 1 names
GETFILESTATUS, 16 | - | . | bench_status $url 16 names
hdfs dfs -ls -R | - | . | ./lsr
.

printf '\nother plans over HDFS, of the same store (%s turns)\n' "$turns"
told 'the newest 25 hours:' 'Nothing to do: 75 fresh' hourly -n
bench_race -n "$turns" <<.
the newest 25 hours | Nothing to do: 75 fresh | . | stagegraph -f hdfs.ini hourly -n
.
echo two >silver.code
told 'the code of silver changed:' "To run $(commas $((2 * hours))) nodes" plan
in_middle "$hours"
bench_race -n "$turns" <<.
silver's code changed | To run $(commas $((2 * hours))) nodes | . | stagegraph -f hdfs.ini plan
explain | silver.code | . | stagegraph -f hdfs.ini explain silver@${day}T$hour
.
echo one >silver.code
for name in bronze silver gold; do
    curl -sf -X DELETE "$url/$name/dt-$day/hr-$hour?op=DELETE&recursive=true&user.name=$(id -un)" >/dev/null ||
        fail "an hour could not be removed"
done
told 'an hour missing, the first time:' 'To run 3 nodes' plan
sleep 3
told 'an hour missing:' 'To run 3 nodes' plan
bench_race -n "$turns" <<.
an hour missing | To run 3 nodes | . | stagegraph -f hdfs.ini plan
.
