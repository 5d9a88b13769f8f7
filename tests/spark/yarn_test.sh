# shellcheck shell=bash
# yarn: the graph on a real YARN, its root in HDFS: in client mode, in cluster mode, and what becomes
# of an application in cluster mode when its client is ended, by a timeout, or with the whole run.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

day=2013-03-08
cluster=$HOURLY/../../tests/hdfs/cluster
dfs() { "$cluster" -s "$PWD/cluster" run dfs "$@"; }

# stagegraph STATUS ARGUMENT…: leaves its output in the file log, its events in the file events.
stagegraph()
{
    local wanted=$1 status
    "$STAGEGRAPH_BIN" -f graph/flights.ini --now ${day}T10:10:00Z "${@:2}" >log 2>&1
    status=$?
    expect "exit status of ${*:2}" $status "$wanted"
    [ $status = "$wanted" ] || cat log
}
# applications: of the events, a line each: node, id, state, final status, killed.
applications()
{
    python3 - <<'END'
import json
for event in map(json.loads, open("events")):
    for app in event.get("applications") or []:
        print(event["node"], app["id"], app["state"], app["final_status"], app["killed"])
END
}
# ask ID FIELD: of the ResourceManager's own answer.
ask()
{
    curl -s --noproxy '*' "$RM_URL/ws/v1/cluster/apps/$1" |
        python3 -c "import json, sys; print(json.load(sys.stdin)['app']['$2'])"
}
# until WHAT TEST…
until_so()
{
    local give_up=$((SECONDS + 180))
    until "${@:2}"; do
        ((SECONDS < give_up)) || { expect "$1" "not in three minutes" "so"; return; }
        sleep 0.5
    done
}

export -n STAGEGRAPH_DONE_FILE STAGEGRAPH_COUNT # stagegraph says them
"$cluster" -s "$PWD/cluster" up yarn || exit 1
trap '"$cluster" -s "$PWD/cluster" down --purge' EXIT
eval "$("$cluster" -s "$PWD/cluster" env)"

# Spark's jars are on the only node already; else each job would upload 300 MB of them.
mkdir -p graph spark-conf
jars=$(dirname "$(dirname "$(type -P spark-submit)")")
cat >spark-conf/spark-defaults.conf <<END
spark.yarn.jars            local:$(echo "$jars"/lib/python3*/site-packages/pyspark)/jars/*
spark.yarn.tags            kind:test
spark.driver.memory        512m
spark.executor.instances   1
spark.yarn.am.memory       512m
END
export SPARK_CONF_DIR=$PWD/spark-conf
cp -R "$HOURLY"/{flights.ini,jobs,scripts} graph/
sed -i "s|^root = .*|root = $HDFS_URI/w|; s|^start .*|start = ${day}T09:00Z|; s|memory=4g|memory=512m|" \
    graph/flights.ini
python3 "$HOURLY/jobs/landing/land.py" --archive "$FLIGHTS_ARCHIVE" --root land \
    --from ${day}T09:00:00Z --until ${day}T10:00:00Z >/dev/null || exit 1
dfs -mkdir /w && dfs -put land/{landing,dims} /w/ || exit 1

stagegraph 0 run --only bronze --yarn-mode client --json=events
expect "applications" "$(applications | cut -d' ' -f1,3-)" "bronze@${day}T09 FINISHED SUCCEEDED False"
verdict a_job_in_client_mode_succeeds_and_its_application_is_known
tags=$(ask "$(applications | cut -d' ' -f2)" applicationTags)
case ,$tags, in
*,kind:test,*) ;;
*) expect "tags" "$tags" "with kind:test" ;;
esac
verdict the_tags_of_spark_s_own_configuration_are_kept
stagegraph 0 history --stage bronze
grep -q "ok .* $(applications | cut -d' ' -f2)" log || expect "history" "$(cat log)" "with the id"
verdict history_names_the_application

stagegraph 0 run --yarn-mode cluster --json=events
expect "applications" "$(applications | cut -d' ' -f1,3- | sort)" "gold@$day FINISHED SUCCEEDED False
silver@${day}T09 FINISHED SUCCEEDED False"
verdict jobs_in_cluster_mode_succeed

# ---- A driver that stays: on the cluster, where nothing of this machine ends it. Its second try is
# short. It says where it is, in a directory that it is told.

cat >graph/slow.py <<'END'
import os, sys, time
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
here, again = sys.argv[1], os.path.exists(sys.argv[1] + "/pid")
with open(here + "/pid", "w") as f:
    f.write(str(os.getpid()))
while not again:
    time.sleep(1)
spark.stop()
END
cat >>graph/flights.ini <<END
[stage slow]
command = bash scripts/spark_submit.sh --master yarn --deploy-mode cluster slow.py -- $PWD/slow
output  = slow/dt=\${ds}/hr=\${HH}
check   = none
timeout = 75s
END
mkdir slow

stagegraph 5 run --only slow --json=events
grep -q 'killed application_.* (RUNNING) on YARN' log || expect "the notice" "$(cat log)" "the kill"
expect "applications" "$(applications | cut -d' ' -f1,3-)" "slow@${day}T09 KILLED KILLED True"
expect "its state" "$(ask "$(applications | cut -d' ' -f2)" state)" KILLED
! kill -0 "$(cat slow/pid)" 2>/dev/null || expect "the driver" "is there" "gone"
verdict a_timeout_in_cluster_mode_kills_the_application

rm slow/pid
"$STAGEGRAPH_BIN" -f graph/flights.ini --now ${day}T10:10:00Z run --only slow >killed.log 2>&1 &
run=$!
until_so "the driver runs" test -s slow/pid
first=$(cat slow/pid)
stagegraph 0 status --json
read -r app url < <(python3 -c 'import json
a = json.load(open("log"))["running"][0]["applications"][0]; print(a["id"], a["tracking_url"])')
expect "its tracking URL" "${url%%"$app"*}${url##*"$app"}" "${url%%/proxy/*}/proxy//"
kill -KILL $run
wait $run 2>/dev/null
until_so "the client is gone" eval "! pgrep -f 'SparkSubmit.*$PWD/slow' >/dev/null"
expect "its state without its client" "$(ask "$app" state)" RUNNING
verdict an_application_outlives_its_client

# The shim, which has the claim, ends a moment after the client.
nobody_has_it() { ! "$STAGEGRAPH_BIN" -f graph/flights.ini --now ${day}T10:10:00Z plan --only slow | grep -q BUSY; }
until_so "the claim is dead" nobody_has_it
stagegraph 0 run --only slow --json=events
grep -q "killed $app (RUNNING) on YARN, left by dead run" log || expect "the notice" "$(cat log)" "it"
expect "its state" "$(ask "$app" state)" KILLED
! kill -0 "$first" 2>/dev/null || expect "the first driver" "is there" "gone"
expect "applications" "$(applications | cut -d' ' -f1,3-)" "slow@${day}T09 FINISHED SUCCEEDED False"
verdict it_is_killed_before_the_next_run_begins_its_node_again
echo "yarn: done"
