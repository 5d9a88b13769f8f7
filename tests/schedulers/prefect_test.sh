# shellcheck shell=bash
# prefect: graphs/hourly/schedulers/hourly_pipeline_flow.py with a real server, which serves its
# deployment, runs it, and cancels it.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

name=hourly_pipeline_flow/hourly-schedule
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
export PREFECT_HOME=$PWD/prefect PREFECT_API_URL=http://127.0.0.1:$port/api PREFECT_PROFILES_PATH=$PWD/profiles
export PREFECT_SERVER_ANALYTICS_ENABLED=false DO_NOT_TRACK=1 NO_COLOR=1 no_proxy=127.0.0.1
export PREFECT_RUNNER_POLL_FREQUENCY=1 PREFECT_LOGGING_TO_API_BATCH_INTERVAL=0.5 HOURLY_RETRY_SECONDS=4
export PATH=$SCHEDULERS_CACHE/prefect/bin:$PATH

api() { python3 "$TEST_DIR/prefect_api.py" "$@"; }
serve()
{
    python3 flow/hourly_pipeline_flow.py >>serve.log 2>&1 &
    serve=$!
}
state() { api state "$run" | cut -f "$1"; }
is_final() { [[ $(state 1) == @(COMPLETED|FAILED|CRASHED|CANCELLED) ]]; }
start() { run=$(api run $name); }
finish() { within 120 is_final; }
# Each line comes in a record of its own.
logged() { api logs "$run" | grep -qxF "$1"; }
count_logged() { api logs "$run" | grep -cE "$1"; }
has_ended() { api logs "$run" | grep -qF "Finished in state $1("; } # the last line
is_tried_again() { [ "$(count_logged 'Retry 1/3 will start')" = 1 ]; }

mkdir flow && cp "$EXAMPLES/stagegraph_task.py" flow/
# Once a year, so that no run comes between.
sed 's/cron="7 \* \* \* \*"/cron="7 0 1 1 *"/' "$EXAMPLES/hourly_pipeline_flow.py" >flow/hourly_pipeline_flow.py
expect "lines that were changed" "$(grep -c 'cron="7 0 1 1 \*"' flow/hourly_pipeline_flow.py)" 1
# It ends with the namespace.
prefect server start --host 127.0.0.1 --port "$port" --no-ui >server.log 2>&1 &
api wait-server
world ok
serve
api wait-deployment $name >deployment
prefect deployment inspect $name >inspect.log
expect "the deployment's schedule" "$(cat inspect.log)" "*7 0 1 1 \**"
prefect deployment run $name >run.log
run=$(grep -oE '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}' run.log | head -n 1)
finish
expect "the state" "$(state 1,2)" "COMPLETED	Completed"
expect "the hours" "$(made)" "01 02 03 04"
verdict the_deployment_of_the_report_has_a_schedule_and_runs_by_its_name

start
finish
expect "the state" "$(state 1-3)" "COMPLETED	NothingToDo	exit status 0: Nothing to do: 4 fresh*"
verdict a_run_with_nothing_to_do_is_completed_and_says_so

next_hour 07 08:10 ok
land 05 06
start
finish
expect "the hours" "$(made)" "01 02 03 04 05 06 07"
verdict missed_hours_are_made_by_the_next_run

next_hour 08 09:10 wait
start
within 60 logged "hour 08 begins"
expect "the state" "$(state 1)" RUNNING
expect "the end of the job" "$(count_logged '^hour 08 is done')" 0
touch "$W/go"
finish
within 20 logged "hour 08 is done"
expect "the state" "$(state 1)" COMPLETED
verdict output_is_in_the_log_while_the_job_runs

# ends CASE TYPE NAME MESSAGE TRIES: how a run ends, and how often the newest hour's job ran.
ends()
{
    world "$1"
    start
    finish
    expect "$1" "$(state 1-3)" "$2	$3	$4"
    within 20 has_ended "$3"
    expect "tries of $1" "$(count_logged '^hour 04 begins')" "$5"
}
ends failed FAILED Failed "exit status 1: *" 1
verdict a_failed_node_is_a_failed_run_that_is_not_tried_again
ends timeout FAILED TimedOut "exit status 5: *" 1
verdict a_timeout_is_a_failed_run_of_that_name
ends blocked COMPLETED Blocked "exit status 3: *landing@2024-01-01T05*" 0
verdict an_hour_that_has_not_landed_is_completed_as_blocked
ends busy COMPLETED Busy "exit status 4: *" 0
verdict an_hour_that_another_run_holds_is_completed_as_busy
ends usage FAILED Failed "exit status 2: *1 error" 0
verdict a_wrong_graph_file_is_a_failed_run_that_is_not_tried_again

for case in store system; do
    world $case
    start
    within 60 is_tried_again
    mend
    finish
    expect "the state" "$(state 1)" COMPLETED
    expect "the hours" "$(made)" "01 02 03 04"
done
verdict a_store_that_is_away_and_a_machine_without_room_are_tried_again

world nothing
next_hour 05 06:10 jvm
start
running
prefect flow-run cancel "$run" >/dev/null
all_gone
finish
expect "the state" "$(state 1)" CANCELLED
verdict a_cancelled_run_leaves_no_process_and_no_claim
next_hour 06 07:10 ok
start
finish
expect "the hours" "$(made)" "01 02 03 04 05 06"
verdict the_hour_that_was_cancelled_is_made_by_the_next_run

next_hour 07 08:10 stubborn
start
running
prefect flow-run cancel "$run" >/dev/null
all_gone
finish
expect "the state" "$(state 1)" CANCELLED
verdict a_job_that_ignores_SIGTERM_is_ended_by_a_cancel

next_hour 08 09:10 jvm
start
running
kill -KILL "$(parent_of "$(the stagegraph)")"
all_gone
finish
expect "the state" "$(state 1)" CRASHED
verdict a_run_whose_process_is_killed_leaves_nothing_and_has_crashed

next_hour 09 10:10 jvm
start
running
kill -KILL $serve
wait $serve 2>/dev/null
all_gone
finish
expect "the state" "$(state 1)" CRASHED
verdict a_run_whose_server_process_is_killed_leaves_nothing_and_has_crashed

mode ok
serve
start
finish
expect "the hours" "$(made)" "01 02 03 04 05 06 07 08 09"
verdict the_next_run_after_that_makes_up_for_it
echo "prefect: done"
