#!/usr/bin/env bash
# Makes the class-data archive with which spark_submit.sh starts JVMs in half the time.
#
#   spark_archive.sh [--force]
#
# A job for practice (spark_practice.py) is run once, and the classes that it has loaded are kept in
# $SPARK_ARCHIVE_DIR (default: ~/.cache/stagegraph/spark), 120 MB. Never made while a real job runs:
# a JVM that is to write an archive and can't ends with 1, whatever its job did. To be called again
# after an upgrade of Java or Spark; an archive that is there for them is left alone.
#
# Exit status: 0 the archive is there, 1 it could not be made, 127 there is no spark-submit.
set -u
here=$(cd "$(dirname "$0")" && pwd -P)
# shellcheck source-path=SCRIPTDIR source=spark_start.sh
. "$here/spark_start.sh"

fail()
{
    printf 'spark_archive.sh: %s\n' "$2" >&2
    exit "$1"
}

program=${SPARK_HOME:+$SPARK_HOME/bin/spark-submit}
[ -n "$program" ] || program=$(type -P spark-submit) || fail 127 "there is no spark-submit"
archive=$(spark_archive "$program") ||
    fail 1 "no archive is possible here: it takes a java, a cache directory, and a Spark whose
  configuration directories are empty (SPARK_CONF_DIR, HADOOP_CONF_DIR, YARN_CONF_DIR)"
# What one that was killed has left, half a day ago or more.
find "$(dirname "$archive")" -maxdepth 1 -type d -name '*.jsa.??????' -mmin +720 -exec rm -rf {} + 2>/dev/null
if spark_archive_whole "$archive" && [ "${1:-}" != --force ]; then
    printf '%s is there\n' "$archive"
    exit 0
fi

# Renamed when it is whole, so nobody starts with half of it.
mkdir -p "$(dirname "$archive")" || fail 1 "$archive: no place for it"
work=$(mktemp -d "$archive.XXXXXX") || fail 1 "$archive: no place for it"
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP
SPARK_SUBMIT_OPTS="\"-XX:ArchiveClassesAtExit=$work/new.jsa\" -Dspark.ui.enabled=false" \
    "$program" --master 'local[2]' "$here/spark_practice.py" "$work" >"$work/log" 2>&1
status=$?
if [ "$status" -ne 0 ] || [ ! -s "$work/new.jsa" ]; then
    tail -n 20 "$work/log" >&2
    fail 1 "the job for practice ended with $status and left no archive"
fi
put()
{
    mv -f "$work/new.jsa" "$archive" && stat -c '%s %.Y' "$archive" >"$work/whole" &&
        mv -f "$work/whole" "$archive.whole"
}
put || fail 1 "$archive: could not be put there"
printf '%s: %s MB\n' "$archive" "$(($(stat -c %s "$archive") / 1000000))"
