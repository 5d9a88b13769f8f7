# shellcheck shell=bash
# airflow: graphs/hourly/schedulers/hourly_pipeline_dag.py with a real scheduler, DAG processor and
# server, and the LocalExecutor.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
export AIRFLOW_HOME=$PWD/airflow AIRFLOW_URL=http://127.0.0.1:$port no_proxy=127.0.0.1 NO_COLOR=1
export AIRFLOW__CORE__LOAD_EXAMPLES=False AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS=True
export AIRFLOW__CORE__EXECUTION_API_SERVER_URL=$AIRFLOW_URL/execution/ AIRFLOW__API__WORKERS=1
export AIRFLOW__CORE__PARALLELISM=2 AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC=1
export AIRFLOW__API_AUTH__JWT_SECRET=for-these-tests-alone-and-for-nothing-else
# How soon a worker that is gone is noticed.
export AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC=1 AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT=10
export AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL=2
export HOURLY_RETRY_SECONDS=2
export PATH=$SCHEDULERS_CACHE/airflow/bin:$PATH

api() { python3 "$TEST_DIR/airflow_api.py" "$@"; }
state() { api state "$run"; }
is_final() { [[ $(state) == @(success|failed|skipped|upstream_failed) ]]; }
is() { [ "$(state)" = "$1" ]; }
start() { run=$(api run); }
finish() { within 120 is_final; }
# log: what is in the task's log now, in the file that the web page shows.
log() { cat "$AIRFLOW_HOME/logs/dag_id=hourly_pipeline/run_id=$run/task_id=stagegraph_hourly/attempt=1.log"; }
logged() { log 2>/dev/null | grep -qF "\"event\":\"$1\""; }
count_logged() { log 2>/dev/null | grep -cF "\"event\":\"$1\""; }

mkdir -p "$AIRFLOW_HOME/dags"
cp "$EXAMPLES/stagegraph_task.py" "$AIRFLOW_HOME/dags/"
# Once a year, so that no run comes between.
sed 's/schedule="7 \* \* \* \*"/schedule="7 0 1 1 *"/' "$EXAMPLES/hourly_pipeline_dag.py" \
    >"$AIRFLOW_HOME/dags/hourly_pipeline_dag.py"
expect "lines that were changed" "$(grep -c 'schedule="7 0 1 1 \*"' "$AIRFLOW_HOME/dags/hourly_pipeline_dag.py")" 1
world ok
airflow db migrate >migrate.log 2>&1 || { cat migrate.log; exit 1; }
# They end with the namespace.
airflow api-server --host 127.0.0.1 --port "$port" >api.log 2>&1 &
airflow dag-processor >processor.log 2>&1 &
airflow scheduler >scheduler.log 2>&1 &
scheduler=$!
api wait

start
finish
expect "the state" "$(state)" success
expect "the hours" "$(made)" "01 02 03 04"
verdict a_run_that_makes_its_hours_is_a_success

start
finish
expect "the state" "$(state)" success
logged "Nothing to do: 4 fresh. (--force runs it anyway)" || expect "the log" "$(log)" "Nothing to do"
verdict a_run_with_nothing_to_do_is_a_success_and_says_so

next_hour 07 08:10 ok
land 05 06
start
finish
expect "the hours" "$(made)" "01 02 03 04 05 06 07"
verdict missed_hours_are_made_by_the_next_run

next_hour 08 09:10 wait
start
within 60 logged "hour 08 begins"
expect "the state" "$(state)" running
expect "the end of the job" "$(count_logged 'hour 08 is done')" 0
touch "$W/go"
finish
expect "the end of the job" "$(count_logged 'hour 08 is done')" 1
expect "the state" "$(state)" success
verdict output_is_in_the_log_while_the_job_runs

# ends CASE STATE STATUS: how a task ends, at its first try.
ends()
{
    world "$1"
    start
    finish
    expect "$1" "$(state)" "$2"
    expect "tries" "$(api try "$run")" 1
    log | grep -qF "exit status $3: " || expect "the log" "$(log)" "exit status $3"
}
ends failed failed 1
verdict a_failed_node_is_a_failed_task_that_is_not_tried_again
ends timeout failed 5
verdict a_timeout_is_a_failed_task_that_is_not_tried_again
ends blocked skipped 3
verdict an_hour_that_has_not_landed_skips_the_task
ends busy skipped 4
verdict an_hour_that_another_run_holds_skips_the_task
ends usage failed 2
verdict a_wrong_graph_file_is_a_failed_task_that_is_not_tried_again

for case in store system; do
    world $case
    start
    within 60 is up_for_retry
    mend
    finish
    expect "the state" "$(state)" success
    expect "the hours" "$(made)" "01 02 03 04"
done
verdict a_store_that_is_away_and_a_machine_without_room_are_tried_again

world nothing
next_hour 05 06:10 jvm
start
running
api fail "$run"
all_gone
expect "the state" "$(state)" failed
verdict a_task_that_is_marked_as_failed_leaves_no_process_and_no_claim
next_hour 06 07:10 ok
start
finish
expect "the hours" "$(made)" "01 02 03 04 05 06"
verdict the_hour_that_was_cancelled_is_made_by_the_next_run

# Airflow kills the task's process after 5 seconds; what is left of the grace is skipped then.
next_hour 07 08:10 stubborn
sed -i 's/^grace.*/grace = 5m/' "$STAGEGRAPH_GRAPH"
start
running
api fail "$run"
all_gone
expect "the state" "$(state)" failed
verdict a_job_that_ignores_SIGTERM_is_ended_by_a_cancel_before_its_grace_is_over

next_hour 08 09:10 jvm
start
running
kill -KILL "$(parent_of "$(the stagegraph)")"
all_gone
within 60 is up_for_retry
mode ok
finish
expect "the state" "$(state)" success
verdict a_task_whose_process_is_killed_leaves_nothing_and_is_tried_again

next_hour 09 10:10 jvm
start
running
kill -KILL "$(parent_of "$(parent_of "$(the stagegraph)")")"
mode ok
all_gone
within 90 is up_for_retry
finish
expect "the state" "$(state)" success
verdict a_task_whose_worker_is_killed_leaves_nothing_and_is_tried_again

next_hour 10 11:10 jvm
start
running
kill -KILL $scheduler
wait $scheduler 2>/dev/null
api fail "$run"
all_gone
verdict a_task_is_cancelled_though_its_scheduler_was_killed
echo "airflow: done"
