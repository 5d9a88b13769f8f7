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
# The JVM is told to start fast, by SPARK_SUBMIT_OPTS, before what is in it already:
#   - with the class-data archive that spark_archive.sh made, if it made one for this Java and Spark;
#   - for a job of up to 168 partitions, a week of hours, without the optimising compiler, which takes
#     more time than it gains; longer ones, and those that are not stagegraph's, have it;
#   - without Spark's web page, unless the job goes to a cluster (--conf spark.ui.enabled=true wins);
#   - with log4j2.properties beside this file, unless Spark's configuration has one.
# SPARK_QUICK_START=no leaves all of that out, SPARK_QUICK_START=archive the second: for jobs whose
# hours are minutes of work.
#
# The tag by which stagegraph finds the job's applications on YARN comes in SPARK_SUBMIT_OPTS; where
# --conf spark.yarn.tags, --properties-file or spark-defaults.conf would replace it, it is put beside
# theirs.
#
# In cluster mode the driver doesn't see our files: the list of inputs and the common module go with
# the job, beside those of --files and --py-files.
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
*:/*) ;; # Spark fetches it
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

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# What it can tell about this Spark is not essential.
started=
# shellcheck source-path=SCRIPTDIR source=spark_start.sh
. "$here/spark_start.sh" 2>/dev/null && started=yes
home=$({ [ -n "$started" ] && spark_home "$program"; } || dirname "$(dirname "$program")")
conf_dir=${SPARK_CONF_DIR:-$home/conf}

# ---- what Spark will make of its options

# at NAME: the index in submit of what the option is given; of several the last, as Spark has it.
at()
{
    local i found=''
    for ((i = 0; i < n - 1; i++)); do
        case ${submit[i]} in
        "$1") found=$((i + 1)) ;;
        "$1"=*) found=$i ;;
        esac
    done
    printf '%s' "$found"
}

# option NAME: what it is given, or nothing.
option()
{
    local i
    i=$(at "$1")
    [ -z "$i" ] || printf '%s' "${submit[i]#"$1"=}"
}

# setting KEY: what a key of Spark's is set to, by --conf, or in the file of its defaults.
setting()
{
    local word found='' file
    for word in "${submit[@]}"; do
        case $word in
        "$1"=* | --conf="$1"=*) found=${word#*"$1"=} ;;
        esac
    done
    if [ -z "$found" ]; then
        file=$(option --properties-file)
        found=$(sed -nE "s/[[:space:]]*$//; s/^[[:space:]]*${1//./\\.}([[:space:]]*[=:]|[[:space:]])[[:space:]]*//p" \
            "${file:-$conf_dir/spark-defaults.conf}" 2>/dev/null | tail -n 1)
    fi
    printf '%s' "$found"
}

master=$(option --master)
master=${master:-$(setting spark.master)}
deploy_mode=$(option --deploy-mode)
deploy_mode=${deploy_mode:-$(setting spark.submit.deployMode)}

# ---- a quick start

quick_start()
{
    local options='' archive # a word with blanks in it is quoted: Spark splits as a shell
    if archive=$(spark_archive "$program") && spark_archive_whole "$archive"; then
        # An archive that doesn't fit is passed over; the JVM need not say so in the job's output.
        options="-Xshare:auto \"-XX:SharedArchiveFile=$archive\""
        options="$options -Xlog:disable -Xlog:all=error:stderr"
    fi
    if [ "${SPARK_QUICK_START:-}" != archive ] && [ "${STAGEGRAPH_COUNT:-169}" -le 168 ]; then
        options="$options -XX:TieredStopAtLevel=1"
    fi
    case ${master:-${MASTER:-local}} in
    local*) options="$options -Dspark.ui.enabled=false" ;;
    esac
    if [ ! -e "$conf_dir/log4j2.properties" ] && [ -e "$here/log4j2.properties" ]; then
        options="$options \"-Dlog4j2.configurationFile=file:$here/log4j2.properties\""
    fi
    export SPARK_SUBMIT_OPTS="$options${SPARK_SUBMIT_OPTS:+ $SPARK_SUBMIT_OPTS}"
    # The JVM that only works out the command line.
    export SPARK_LAUNCHER_OPTS="-XX:TieredStopAtLevel=1${SPARK_LAUNCHER_OPTS:+ $SPARK_LAUNCHER_OPTS}"
}

[ -z "$started" ] || [ "${SPARK_QUICK_START:-yes}" = no ] || quick_start

# ---- on YARN

# keep_tag: among the tags that are given here, or by Spark's configuration.
keep_tag()
{
    local i tags given=''
    for ((i = 0; i < n - 1; i++)); do
        case ${submit[i]} in
        spark.yarn.tags=* | --conf=spark.yarn.tags=*)
            submit[i]+=,$STAGEGRAPH_YARN_TAG
            given=yes
            ;;
        esac
    done
    [ -z "$given" ] || return 0
    tags=$(setting spark.yarn.tags)
    [ -z "$tags" ] || ship+=(--conf "spark.yarn.tags=$tags,$STAGEGRAPH_YARN_TAG")
}

# along OPTION KEY FILE: the file goes with the job, beside those that the option names, or else the
# key, which would not count then.
along()
{
    local i others
    i=$(at "$1")
    if [ -n "$i" ]; then
        submit[i]+=,$3
    else
        others=$(setting "$2")
        ship+=("$1" "${others:+$others,}$3")
    fi
}

ship=() # options that go before those that are given
[ -z "${STAGEGRAPH_YARN_TAG:-}" ] || keep_tag
if [ "$deploy_mode" = cluster ]; then
    along --py-files spark.submit.pyFiles "$here/../jobs/common/pipeline.py"
    if [ -n "${STAGEGRAPH_INPUTS_FILE:-}" ]; then
        along --files spark.files "$STAGEGRAPH_INPUTS_FILE"
        ship+=(--conf "spark.yarn.appMasterEnv.STAGEGRAPH_INPUTS_FILE=${STAGEGRAPH_INPUTS_FILE##*/}")
    fi
fi
[ ${#ship[@]} -eq 0 ] || submit=("${ship[@]}" "${submit[@]}")
exec "$program" "${submit[@]}" "$@"
