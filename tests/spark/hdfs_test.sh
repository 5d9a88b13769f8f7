# shellcheck shell=bash
# hdfs: the graph with its root in HDFS. A NameNode and a DataNode are started; stagegraph speaks
# WebHDFS to them, the jobs have Spark's own client. Three hours of 8 March 2013, the first of them
# without a flight, are made there and on a local root: the same bytes, by names and checksums.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

day=2013-03-08
cluster=$HOURLY/../../tests/hdfs/cluster
dfs() { "$cluster" -s "$PWD/cluster" run dfs "$@"; }

graph() { mkdir "$1" && cp -R "$HOURLY"/{flights.ini,jobs,scripts} "$1/" &&
    sed -i "s|^root = .*|root = $2|; s|^start .*|start = ${day}T09:00Z|" "$1/flights.ini"; }
# stagegraph STATUS GRAPH ARGUMENT…: leaves its output in the file log.
stagegraph()
{
    local wanted=$1 status
    "$STAGEGRAPH_BIN" -f "$2/flights.ini" --now ${day}T12:10:00Z "${@:3}" >log 2>&1
    status=$?
    expect "exit status of ${*:3}" $status "$wanted"
    [ $status = "$wanted" ] || cat log
}
# One job a stage for what is missing of the hours 09 to 11, and the day so far.
backfill() { stagegraph "$1" "$2" backfill --from ${day}T09:00Z --to ${day}T12:00Z \
    "${@:3}"; }
# What a root has below the three stages, without markers and receipts: names and bytes.
files() { (cd "$1" && find bronze silver gold -name '*.orc' | sort | xargs sha256sum |
    sed -E 's/part-[^ ]*\.orc/part.orc/'); }
# Those in HDFS, fetched to be looked at.
fetched() { rm -rf fetched && mkdir fetched && dfs -get /w/{bronze,silver,gold} fetched/ && files fetched; }

export -n STAGEGRAPH_DONE_FILE STAGEGRAPH_COUNT # stagegraph says them
"$cluster" -s "$PWD/cluster" up hdfs || exit 1
trap '"$cluster" -s "$PWD/cluster" down --purge' EXIT
eval "$("$cluster" -s "$PWD/cluster" env)"
graph local warehouse
graph remote "$HDFS_URI/w"
python3 "$HOURLY/jobs/landing/land.py" --archive "$FLIGHTS_ARCHIVE" --root local/warehouse \
    --from ${day}T09:00:00Z --until ${day}T12:00:00Z >/dev/null || exit 1
# The local root: without Hadoop's configuration, as one has it there.
(unset HADOOP_CONF_DIR && backfill 0 local && [ -z "$ok" ]) || { ok=no; cat log; }
dfs -mkdir /w && dfs -put local/warehouse/{landing,dims} /w/ || exit 1
backfill 0 remote
grep -q 'GOLD' log || expect "the stages" "$(cat log)" "with gold"
files local/warehouse >local.files
fetched >remote.files
expect "files" "$(wc -l <local.files)" 12
expect "names and bytes" "$(cat remote.files)" "$(cat local.files)"
verdict the_three_stages_make_in_hdfs_what_they_make_on_a_local_root

# receipt NODE_DIRECTORY: the attribute of the marker, empty file.
receipt() { dfs -getfattr -n user.stagegraph "/w/$1" 2>&1; }
for node in bronze/dt=$day/hr={09,10,11} silver/dt=$day/hr={09,10,11}; do
    receipt "$node/_SUCCESS" | grep -q '"state":"done"' ||
        expect "receipt of $node" "$(receipt "$node/_SUCCESS")" "one that says done"
done
receipt gold/dt=$day/_PARTIAL | grep -q '"state"' ||
    expect "receipt of gold" "$(receipt gold/dt=$day/_PARTIAL)" "one"
verdict each_node_has_its_receipt_as_an_attribute_in_hdfs
expect "what is left of staging" "$(find fetched -name '.spark-staging*' -o -name '_temporary')" ""
verdict nothing_of_the_staging_is_left_in_hdfs

backfill 0 remote
expect "jobs" "$(grep -c 'Starting subprocess' log)" 0
verdict with_nothing_new_in_hdfs_nothing_runs

# A correction of 11:00: bronze reads from HDFS what it then replaces there.
late=local/warehouse/landing/dt=$day/hr=11/flights-2.csv
sed -n '1p;2s/^\(\([^,]*,\)\{5\}\)[^,]*/\1999/p' "${late%-2.csv}.csv" >$late
dfs -put $late /w/landing/dt=$day/hr=11/
(unset HADOOP_CONF_DIR && backfill 0 local && [ -z "$ok" ]) || { ok=no; cat log; }
backfill 0 remote
expect "jobs" "$(grep -c 'Starting subprocess' log)" 3
files local/warehouse >local.files.2
expect "bronze, silver and gold are others" "$(diff local.files local.files.2 | grep -c '^>')" 5
expect "names and bytes" "$(fetched)" "$(cat local.files.2)"
verdict a_correction_in_hdfs_is_merged_into_what_is_there_and_goes_on_to_gold
echo "hdfs: done"
