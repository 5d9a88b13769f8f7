#!/usr/bin/env bash
# Starts a Spark job in a JVM of its own.
#
#   spark_submit.sh [OPTION]... SCRIPT [-- [ARGUMENT]...]
#
# What stands before the first -- goes to spark-submit as it is (--conf KEY=VALUE, --queue NAME, …)
# and ends with the script; what stands behind it goes to the script. spark-submit is
# $SPARK_HOME/bin/spark-submit, or without SPARK_HOME the first in PATH. It takes the place of this
# shell, so signals and the exit status are its own.
#
# Exit status: 2 for a wrong call, 127 where there is no spark-submit, else spark-submit's.
set -u

fail()
{
    printf 'spark_submit.sh: %s\n' "$2" >&2
    exit "$1"
}

submit=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    submit+=("$1")
    shift
done
[ $# -eq 0 ] || shift # the --

n=${#submit[@]}
[ "$n" -gt 0 ] || fail 2 "no script: spark_submit.sh [OPTION]... SCRIPT [-- [ARGUMENT]...]"
script=${submit[n - 1]}
case $script in
-*) fail 2 "no script: the last word before -- is the option $script" ;;
*://*) ;; # Spark fetches it
*)
    [ "$n" -lt 2 ] || [ "${submit[n - 2]}" != --conf ] ||
        fail 2 "no script: the last words before -- are --conf $script"
    [ -r "$script" ] || fail 2 "the script $script can't be read (in $PWD)"
    ;;
esac

if [ -n "${SPARK_HOME:-}" ]; then
    program=$SPARK_HOME/bin/spark-submit
    [ -x "$program" ] || fail 127 "SPARK_HOME is $SPARK_HOME, and $program is no program"
else
    program=$(type -P spark-submit) ||
        fail 127 "there is no spark-submit: set SPARK_HOME, or put it in PATH"
fi
exec "$program" "${submit[@]}" "$@"
