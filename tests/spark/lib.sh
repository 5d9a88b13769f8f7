# lib.sh: what the tests on Spark share; read by them in a scratch directory of their own.
# shellcheck shell=bash

export STAGEGRAPH_DONE_FILE=$PWD/done STAGEGRAPH_COUNT=1
ok=

# verdict NAME: the case is over; what expect said against it is above.
verdict()
{
    if [ -z "$ok" ]; then echo "ok   $1"; else echo "FAIL $1"; fi
    ok=
}

# expect WHAT GOT WANTED
expect()
{
    [ "$2" = "$3" ] || { printf '%s:\n  got    %s\n  wanted %s\n' "$1" "$2" "$3"; ok=no; }
}

# submit STATUS JOB ARGUMENT…: a job as the graph starts it; leaves its output in the file log.
submit()
{
    local wanted=$1 job=$2 status
    shift 2
    : >"$STAGEGRAPH_DONE_FILE"
    bash "$HOURLY/scripts/spark_submit.sh" "$job" -- "$@" >log 2>&1
    status=$?
    expect "exit status of ${job##*/} $*" $status "$wanted"
    [ $status = "$wanted" ] || cat log
}
