#!/usr/bin/env bash
# `ninja bench-claim`: measures the report's claim (claim.py says how), two hours on two quiet cores,
# and prints the tables. It may be interrupted and called again: what is there stays.
#
# Environment: CLAIM_DIR (build/claim) gets the rows, the plot, and in work the graph and its data;
# CLAIM_ONLY="seconds/1/session seconds/1/fresh …" picks configurations; SPARK_CACHE (build/spark) is
# where setup.sh puts Spark. With the rows of this directory copied to CLAIM_DIR it adds what they lack.
set -eu
export LC_ALL=C PYTHONDONTWRITEBYTECODE=1
unset STAGEGRAPH_GRAPH STAGEGRAPH_NOW
here=$(cd "$(dirname "$0")" && pwd -P)
mkdir -p "${SPARK_CACHE:=build/spark}" "${CLAIM_DIR:=build/claim}"
cache=$(cd "$SPARK_CACHE" && pwd -P)
bash "$here/../../../graphs/hourly/setup.sh" "$cache"
# shellcheck source=/dev/null
. "$cache/env.sh"
only=()
[ -z "${CLAIM_ONLY:-}" ] || read -ra only <<<"--only $CLAIM_ONLY"
python3 "$here/claim.py" --work "$CLAIM_DIR/work" --rows "$CLAIM_DIR" "${only[@]}"
python3 "$here/report.py" --rows "$CLAIM_DIR" --svg "$CLAIM_DIR/claim.svg"
printf 'The rows and the plot are in %s\n' "$CLAIM_DIR"
