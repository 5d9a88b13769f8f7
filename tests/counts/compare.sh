#!/bin/sh
# Prints what is counted now beside what is recorded.
#
#   sh tests/counts/compare.sh show|check RECORD NOW
#
# Both files: what the figures depend on, a line each ("compiler: gcc 12"; machine, library, flags),
# and a line a path: name, unit, instructions a unit. Lines with # are comments.
#
# `check` fails (1) where a path takes more than COUNTS_TOLERANCE per cent above its record, has no
# record, or is not there any more (unless COUNTS_PATHS picks some); then the last line has the totals,
# as of tests. What is below by more than that is told: the record wants to be renewed. Where the
# figures are not those of the record's compiler, flags, library and machine nothing is compared, and
# it passes; with COUNTS_MUST=1 it fails.

exec awk -v what="$1" -v tolerance="${COUNTS_TOLERANCE:-3}" -v must="${COUNTS_MUST:-0}" \
    -v picked="${COUNTS_PATHS-}" '
BEGIN {
    renew = "write it down with: ninja counts-record"
}

/^#/ || NF == 0 { next }
$1 ~ /:$/ && FNR == NR { made[$1] = $0; next }
$1 ~ /:$/ { here[$1] = $0; next }
NF != 3 || $3 !~ /^[0-9]+(\.[0-9]+)?$/ {
    print "counts: " FILENAME ":" FNR ": not a figure: " $0
    broken = 1
    exit 2
}
FNR == NR { recorded[$1] = $3; was[n_was++] = $1; next }
{ now[$1] = $3; unit[$1] = $2; is[n_is++] = $1 }

# What is another here than of the record; "" where nothing is.
function other(   name, text) {
    for (name in here)
        if (here[name] != made[name])
            text = text (text != "" ? "; " : "") here[name] ", the record has " \
                (name in made ? substr(made[name], length(name) + 2) : "nothing")
    return text
}

# A row, and its verdict behind it: passed, failed.
function judge(path,   more, word) {
    if (why != "" || !(path in recorded)) {
        printf "%-16s %-10s %12s %12s %11s%s\n", path, unit[path], now[path],
            path in recorded ? recorded[path] : "-", "-", why == "" ? "  not recorded" : ""
        if (why == "")
            failed++
        return
    }
    more = recorded[path] > 0 ? (now[path] / recorded[path] - 1) * 100 : 100
    if (more > tolerance) {
        word = "  ABOVE"
        failed++
    } else {
        passed++
        if (more < -tolerance) {
            word = "  below"
            below++
        }
    }
    printf "%-16s %-10s %12s %12s %+9.2f %%%s\n", path, unit[path], now[path], recorded[path], more,
        word
}

END {
    if (broken || n_is == 0) {
        if (!broken)
            print "counts: no figures in " FILENAME
        exit 2
    }
    why = other()
    printf "%-16s %-10s %12s %12s %11s\n", "PATH", "UNIT", "NOW", "RECORDED", "DIFFERENCE"
    for (i = 0; i < n_is; i++)
        judge(is[i])
    for (i = 0; why == "" && picked == "" && i < n_was; i++)
        if (!(was[i] in now)) {
            print was[i] " is recorded, and is no path any more; " renew
            failed++
        }
    print ""
    if (why != "")
        print "Not compared: " why "."
    if (below)
        print below " below the record by more than " tolerance " %: " renew
    if (failed)
        print failed " not as recorded (tolerance " tolerance " %). Where that is right, " renew
    if (what != "check")
        exit 0
    if (why != "" && must != "1") {
        print "0 passed, 0 failed, " n_is " skipped"
        exit 0
    }
    if (why != "")
        failed++
    print passed + 0 " passed, " failed + 0 " failed"
    exit failed > 0
}' "$2" "$3"
