# shellcheck shell=bash
# start: what spark_submit.sh makes of the class-data archive: it is used where it fits, left out
# without a word where it doesn't, and the exit status is the job's in any case.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

cat >job.py <<'END'
import sys
from pyspark.sql import SparkSession
print("rows", SparkSession.builder.getOrCreate().range(3).count(), flush=True)
sys.exit(int(sys.argv[1]))
END
# shared FILE: how many classes came from Spark's archive, by the JVM's log of what it loads.
shared() { grep -c 'source: shared objects file (top)' "$1"; }

# Those of other JVMs may lie beside it.
# shellcheck source-path=SCRIPTDIR source=../../graphs/hourly/scripts/spark_start.sh
archive=$(. "$HOURLY/scripts/spark_start.sh" && spark_archive "$(type -P spark-submit)")
[ -s "$archive" ] || { echo "no archive: $archive"; exit 1; }
SPARK_SUBMIT_OPTS="-Xlog:class+load:file=loaded" submit 3 job.py 3
expect "the output" "$(cat log)" "rows 3"
expect "thousands of shared classes" "$(($(shared loaded) > 3000))" 1
verdict a_job_takes_its_classes_from_the_archive_and_keeps_its_exit_status

mkdir cut
head -c 1000000 "$archive" >"cut/${archive##*/}"
cp "$archive.whole" cut/
SPARK_ARCHIVE_DIR=$PWD/cut SPARK_SUBMIT_OPTS="-Xlog:class+load:file=loaded" submit 0 job.py 0
expect "the output" "$(cat log)" "rows 3"
expect "shared classes" "$(shared loaded)" 0
verdict a_damaged_archive_is_left_out_without_a_word

mkdir conf
echo 'spark.app.name configured' >conf/spark-defaults.conf
SPARK_CONF_DIR=$PWD/conf SPARK_SUBMIT_OPTS="-Xlog:class+load:file=loaded" submit 5 job.py 5
expect "the output" "$(cat log)" "rows 3"
expect "shared classes" "$(shared loaded)" 0
verdict with_configuration_on_the_class_path_there_is_no_archive

mkdir none
SPARK_ARCHIVE_DIR=$PWD/none submit 0 job.py 0
expect "the directory" "$(ls -A none)" ""
verdict a_job_never_makes_an_archive
cat >name.sh <<'END'
. "$HOURLY/scripts/spark_start.sh"
spark_archive "$(type -P spark-submit)"
END
other=$(dirname "$(dirname "$(readlink -f "$(type -P java)")")")
mkdir -p jdk/bin && cp "$other/release" jdk/ && echo 'BUILD="another"' >>jdk/release
ln -s "$other/bin/java" jdk/bin/java
expect "the name" "$(bash name.sh)" "$archive"
cp -L "$other/bin/java" jdk/bin/java2 && mv jdk/bin/java2 jdk/bin/java
expect "another name" "$([ "$(JAVA_HOME=$PWD/jdk bash name.sh)" = "$archive" ] && echo same)" ""
# shellcheck disable=SC2016
mkdir -p shim/bin && printf '#!/bin/sh\necho "version $JAVA_IS" >&2\n' >shim/bin/java && chmod 755 shim/bin/java
named() { JAVA_IS=$1 JAVA_HOME=$PWD/shim bash name.sh; }
expect "a name" "$([ -n "$(named 17)" ] && echo some)" some
expect "another version" "$([ "$(named 17)" = "$(named 21)" ] && echo same)" ""
verdict another_java_has_another_archive

# left AGE: is what a killed spark_archive.sh has left so long ago still there after another one?
left()
{
    mkdir -p "$(dirname "$archive")/0123.jsa.AbCdEf"
    touch -d "$1" "$(dirname "$archive")/0123.jsa.AbCdEf"
    bash "$HOURLY/scripts/spark_archive.sh" >log 2>&1 || ok=no
    expect "what it says" "$(cat log)" "$archive is there"
    ! rmdir "$(dirname "$archive")/0123.jsa.AbCdEf" 2>/dev/null || echo there
}
expect "of an hour ago" "$(left "1 hour ago")" there
expect "of yesterday" "$(left yesterday)" ""
verdict what_a_killed_run_for_practice_has_left_is_removed
echo "start: done"
