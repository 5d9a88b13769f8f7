#!/bin/sh
# The tests with a real HDFS: fetches Hadoop's jars, runs the drivers (which start the clusters that
# they need, below build/hdfs), and stops the clusters.
#
#   sh tests/hdfs/run.sh [NAME]...    from the build directory; as tests/run.sh
#
# What is missing is a failure, never a skip. After a failure build/hdfs has the daemons' logs. A JVM
# takes its time to start where others do the same: the fixture waits three times as long as usual.

set -u

[ -r build/env.sh ] || {
    echo "tests/hdfs/run.sh: no build/env.sh here: run it from a directory that was configured" >&2
    exit 2
}
# shellcheck source=/dev/null
. ./build/env.sh
export HDFS_CLUSTERS="$PWD/build/hdfs"
cluster=$SRC_DIR/tests/hdfs/cluster

# stop [--purge]: whatever is there of this or an earlier run.
stop()
{
    for dir in "$HDFS_CLUSTERS"/*/; do
        [ ! -e "$dir/mode" ] || "$cluster" -s "${dir%/}" down "$@"
    done
}

mkdir -p "$HDFS_CLUSTERS"
stop --purge
"$cluster" fetch || exit 1
trap stop EXIT
trap 'exit 130' INT TERM HUP
export E2E_PATIENCE_MS="${E2E_PATIENCE_MS:-90000}"
TEST_DRIVERS=build/drivers.hdfs sh "$SRC_DIR/tests/run.sh" "$@"
