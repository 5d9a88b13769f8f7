#!/usr/bin/env bash
# `ninja check-spark`: tests of graphs/hourly on real Spark, which its setup.sh installs in
# $SPARK_CACHE (build/spark). Run from the build directory; names (modes, start, hdfs, yarn, claim) pick some.
#
# The last line is the totals.
set -u
export LC_ALL=C PYTHONDONTWRITEBYTECODE=1
here=$(cd "$(dirname "$0")" && pwd -P)
# Spark and YARN ask for the address of this host's own name and end where nobody knows it.
getent hosts "$(uname -n)" >/dev/null ||
    exec unshare --uts bash -c 'hostname localhost && exec bash "$@"' bash "$here/run.sh" "$@"
mkdir -p "${SPARK_CACHE:=build/spark}" || exit 1
cache=$(cd "$SPARK_CACHE" && pwd -P)
export HOURLY=$here/../../graphs/hourly
bash "$HOURLY/setup.sh" "$cache" || exit 1
# shellcheck source=/dev/null
. "$cache/env.sh"

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP
passed=0 failed=0
for name in "${@:-modes start hdfs yarn claim}"; do
    for test in $name; do
        mkdir "$work/$test" || exit 1
        (cd "$work/$test" && bash "$here/${test}_test.sh") | tee "$work/log"
        p=$(grep -c '^ok ' "$work/log") f=$(grep -c '^FAIL ' "$work/log")
        grep -q "^$test: done\$" "$work/log" || f=$((f + 1)) # it broke off
        passed=$((passed + p)) failed=$((failed + f))
    done
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
