# spark_start.sh: read by spark_submit.sh and spark_archive.sh, not run.
#
# A class-data archive spares a JVM the parsing and checking of Spark's 10,000 classes. It holds for
# one JVM and one class path, so its name is made of these: whatever is upgraded, the old archive is
# no longer found, and the JVM starts as ever. Jars are known by name, length and time.
# shellcheck shell=bash

# spark_java: prints the java that Spark's own scripts would take.
spark_java()
{
    if [ -n "${JAVA_HOME:-}" ]; then
        printf '%s\n' "$JAVA_HOME/bin/java"
    else
        type -P java
    fi
}

# spark_home PROGRAM: prints the directory with the jars that this spark-submit starts. That of pip
# lies in bin, the package in site-packages, or as Debian has it in dist-packages.
spark_home()
{
    local home
    home=$(dirname "$(dirname "$(readlink -f "$1")")")
    if [ ! -d "$home/jars" ]; then
        for home in "$home"/lib/python3*/{site,dist}-packages/pyspark; do
            [ ! -d "$home/jars" ] || break
        done
    fi
    [ -d "$home/jars" ] && printf '%s\n' "$home"
}

# spark_archive PROGRAM: prints where the archive for this spark-submit is, or would be; fails where
# there can be none: with configuration on the class path, which a JVM makes no archive for.
spark_archive()
{
    local home java dir release conf known name
    home=$(spark_home "$1") && java=$(spark_java) && java=$(readlink -f "$java") || return
    dir=${SPARK_ARCHIVE_DIR:-${XDG_CACHE_HOME:-${HOME:+$HOME/.cache}}}
    [ -n "$dir" ] || return
    [ -n "${SPARK_ARCHIVE_DIR:-}" ] || dir=$dir/stagegraph/spark
    for conf in "${SPARK_CONF_DIR:-$home/conf}" "${HADOOP_CONF_DIR:-}" "${YARN_CONF_DIR:-}"; do
        [ -z "$conf" ] || [ -z "$(ls -A "$conf" 2>/dev/null)" ] || return
    done
    [ -z "${SPARK_DIST_CLASSPATH:-}" ] || return
    release=$(dirname "$(dirname "$java")")/release
    # A java that is a script of some version manager's has no release beside it.
    known=$({ printf '%s\n' "$java" "$home" && { cat "$release" || "$java" -version 2>&1; } &&
        stat -Lc '%s %Y' "$java" && stat -c '%n %s %Y' "$home"/jars/*; } 2>/dev/null) || return
    name=$(printf '%s\n' "$known" | sha256sum) || return
    printf '%s/%s.jsa\n' "$dir" "${name:0:32}"
}

# spark_archive_whole ARCHIVE: is it there, just as spark_archive.sh left it? A JVM that is given one
# which was cut short dies of SIGBUS.
spark_archive_whole()
{
    local is was
    is=$(stat -c '%s %.Y' "$1" 2>/dev/null) && was=$(cat "$1.whole" 2>/dev/null) && [ "$is" = "$was" ]
}
