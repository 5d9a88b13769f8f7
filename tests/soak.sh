#!/bin/sh
# `ninja soak`: what `ninja check` takes a sample of, whole: each fault at each call, each step to die
# at, a GiB of output. Then the simulation of the scheduler and the crash lab, side by side, graph
# after graph with new seeds for SOAK_SECONDS (3600), from SOAK_SEED on (by default the time of day).
# What fails is printed with its seed and how to begin there again; at the end, totals.

set -u
here=$(dirname "$0")
SOAK_SECONDS=${SOAK_SECONDS:-3600}
SOAK_SEED=${SOAK_SEED:-$(date +%s)}
TEST_TIMEOUT=$((SOAK_SECONDS + 600))
export SOAK_SECONDS SOAK_SEED TEST_TIMEOUT

echo "soak: $SOAK_SECONDS s, again: SOAK_SECONDS=$SOAK_SECONDS SOAK_SEED=$SOAK_SEED ninja soak"
status=0
E2E_SWEEP=all E2E_OUTPUT_MIB=1024 sh "$here/run.sh" kill faults signals output || status=1
sh "$here/run.sh" sched_simulation crash || status=1
cat build/tests/out/unit.sched_simulation.log build/tests/out/e2e.crash.log | grep '^soak:'
exit $status
