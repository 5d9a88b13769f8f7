#!/usr/bin/env bash
# `ninja check-schedulers`: tests of graphs/hourly/schedulers with the real cron, systemd, Prefect and
# Airflow. Run from the build directory; names (cron, systemd, prefect, airflow) pick some.
#
# Prefect and Airflow are installed below $SCHEDULERS_CACHE (build/schedulers), in the versions of the
# example's requirements. cron and systemd are the machine's, run by namespaces of their own that see
# it read-only (host.sh), which takes root. Each test has a pid namespace of its own, so nothing of it
# is left at its end.
#
# What is missing is a failure, never a skip. The last line is the totals.
set -u
export LC_ALL=C.UTF-8 PYTHONDONTWRITEBYTECODE=1
unset STAGEGRAPH_GRAPH STAGEGRAPH_NOW VIRTUAL_ENV
: "${STAGEGRAPH_BIN:?is not set: see build/env.sh}"
here=$(cd "$(dirname "$0")" && pwd -P)
mkdir -p "${SCHEDULERS_CACHE:=build/schedulers}" || exit 1
SCHEDULERS_CACHE=$(cd "$SCHEDULERS_CACHE" && pwd -P)
EXAMPLES=$(cd "$here/../../graphs/hourly/schedulers" && pwd -P)
STAGEGRAPH_BIN=$(readlink -f "$STAGEGRAPH_BIN")
export SCHEDULERS_CACHE EXAMPLES STAGEGRAPH_BIN

# venv NAME: a virtual environment with what requirements-NAME.txt lists, made anew if that changed.
venv()
{
    local list=$EXAMPLES/requirements-$1.txt dir=$SCHEDULERS_CACHE/$1
    cmp -s "$list" "$dir/requirements.txt" && return
    echo "run.sh: installing ${1^} in $dir"
    rm -rf "$dir"
    "${PYTHON:-python3}" -m venv "$dir" &&
        "$dir/bin/python" -m pip --disable-pip-version-check install --quiet --no-deps -r "$list" &&
        cp "$list" "$dir/requirements.txt"
}

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP
export TEST_DIR=$work/programs
mkdir "$TEST_DIR" && cp "$here"/{graph.ini,job.sh,stagegraph,prefect_api.py,airflow_api.py,rest.py} "$TEST_DIR/" &&
    javac -d "$TEST_DIR" "$here/Sleeper.java" || exit 1
passed=0 failed=0
for name in "${@:-cron systemd prefect airflow}"; do
    for test in $name; do
        echo "---- $test"
        from=$SECONDS
        mkdir -p "$work/$test/w"
        case $test in
        prefect | airflow) venv "$test" || { failed=$((failed + 1)); continue; } ;;
        esac
        (cd "$work/$test" && export W=$PWD/w && export STAGEGRAPH_GRAPH=$W/graph.ini PATH=$TEST_DIR:$PATH &&
            exec unshare --pid --fork --mount-proc --kill-child \
                timeout -k 10 "${TEST_TIMEOUT:-900}" bash "$here/${test}_test.sh") 2>&1 | tee "$work/log"
        p=$(grep -c '^ok ' "$work/log") f=$(grep -c '^FAIL ' "$work/log")
        if ! grep -q "^$test: done\$" "$work/log"; then # it broke off
            f=$((f + 1))
        fi
        passed=$((passed + p)) failed=$((failed + f))
        [ "$f" -eq 0 ] || tail -n 40 "$work/$test"/*.log
        echo "$test: $((SECONDS - from)) s"
    done
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
