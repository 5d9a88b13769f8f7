#!/bin/sh
# The house rules that a compiler doesn't check, over src/ and include/stagegraph/ of the source
# directory (the first argument; without one, that of this file):
#
#   - a floor includes only itself and the floors below it, by "stagegraph/x.h" (its own private
#     headers by "x.h"), and what it includes is there;
#   - the opening comment of a header in include/ says its floor ("Floor: base."), which is the one
#     whose directory has its .c; src/shim is a program, no module's floor;
#   - only src/cli ends the process, reads the environment or prints (the shim may _exit, and has the
#     environment that it hands on). Comments, strings, members of such a name and what is inside
#     #ifdef SG_TEST_BUILD don't count.
#
# Prints FILE:LINE: and what is wrong, a line each; exits 1 if there was any.

set -eu
LC_ALL=C
export LC_ALL
cd "${1:-$(dirname "$0")/..}"
files=$(find include src -name '*.[ch]' 2>/dev/null | sort) || :
[ -n "$files" ] || exit 0

# The floors of all headers have to be known before the includes are judged, so these are kept to the
# end; mawk reads 30,000 lines in a few hundredths of a second.
# shellcheck disable=SC2086
exec awk '
BEGIN {
    # A floor and what it may include.
    may["base"] = " base "
    may["graph"] = " graph base "
    may["net"] = " net base "
    may["store"] = " store net base "
    may["record"] = " record store net graph base "
    may["plan"] = " plan" may["record"]
    may["run"] = " run" may["plan"]
    may["report"] = " report" may["run"]
    may["cli"] = " cli" may["report"]
    may["shim"] = " shim base "
    split("exit _exit _Exit quick_exit abort assert getenv secure_getenv printf vprintf puts " \
        "putchar perror", list)
    for (i in list)
        call[list[i]] = 1
    split("stdout stderr environ", list)
    for (i in list)
        object[list[i]] = 1
    for (i = 1; i < ARGC; i++)
        there[ARGV[i]] = 1
}

function wrong(where, what) {
    print where ": " what
    bad = 1
}

# The line without comments and strings; in_comment lasts from line to line.
function code(line,   out, mark) {
    out = ""
    for (;;) {
        if (in_comment) {
            if (!match(line, /\*\//))
                return out
            line = substr(line, RSTART + 2)
            in_comment = 0
        }
        if (!match(line, /\/\*|\/\/|"|\047/))
            return out line
        mark = substr(line, RSTART, RLENGTH)
        out = out substr(line, 1, RSTART - 1) " "
        line = substr(line, RSTART + RLENGTH)
        if (mark == "//")
            return out
        if (mark == "/*")
            in_comment = 1
        else if (match(line, mark == "\"" ? "^([^\"\\\\]|\\\\.)*\"" : "^([^\047\\\\]|\\\\.)*\047"))
            line = substr(line, RLENGTH + 1)
    }
}

function check_words(line,   before, word) {
    while (match(line, /[A-Za-z_][A-Za-z0-9_]*/)) {
        before = substr(line, 1, RSTART - 1)
        word = substr(line, RSTART, RLENGTH)
        line = substr(line, RSTART + RLENGTH)
        if (!(word in object) && !(word in call && line ~ /^[ \t]*\(/))
            continue
        if (before ~ /(->|\.)[ \t]*$/ || (floor == "shim" && (word == "_exit" || word == "environ")))
            continue
        wrong(FILENAME ":" FNR, word " belongs to src/cli")
    }
}

FNR == 1 {
    in_comment = test_build = 0
    split(FILENAME, part, "/")
    floor = part[1] == "src" ? part[2] : ""
    if (floor != "" && !(floor in may))
        wrong(FILENAME ":1", "src/" floor " is no floor")
    opening = FILENAME ~ /\.h$/
}

# The opening comment ends with the first line that has its end, or that is not in it.
opening {
    if (match($0, /Floor: *[a-z]+/)) {
        said = substr($0, RSTART, RLENGTH)
        sub(/.*[: ]/, "", said)
        home[FILENAME] = said
        where[FILENAME] = FILENAME ":" FNR
        if (part[1] == "include")
            floor = said
    }
    if (/\*\// || !/^(\/\*| \*)/)
        opening = 0
}

!in_comment && /^[ \t]*#[ \t]*include/ {
    name = $0
    sub(/^[^"<]*/, "", name)
    includes++
    from[includes] = FILENAME
    at[includes] = FNR
    file[includes] = name
}

/^[ \t]*#/ {
    test_build = /ifdef[ \t]+SG_TEST_BUILD/ || (test_build && !/(else|endif)/)
}

# Most lines have none of the words and need not be taken apart.
in_comment || /\/\*|exit|_Exit|abort|assert|getenv|printf|puts|putchar|perror|std(out|err)|environ/ {
    stripped = code($0)
    if (floor != "cli" && !test_build)
        check_words(stripped)
}

END {
    for (f in there) {
        if (f !~ /\.h$/)
            continue
        base = f
        sub(/.*\//, "", base)
        sub(/h$/, "c", base)
        split(f, part, "/")
        if (!(f in home)) {
            if (part[1] == "include")
                wrong(f ":1", "no \"Floor: NAME.\" in the opening comment")
        } else if (!(home[f] in may))
            wrong(where[f], "no floor is called " home[f])
        else if (part[1] == "src" && part[2] != home[f])
            wrong(where[f], "lies in src/" part[2] ", says floor " home[f])
        else
            for (other in may)
                if (other != home[f] && other != "shim" && part[1] == "include" &&
                    ("src/" other "/" base) in there)
                    wrong(where[f], "says floor " home[f] ", its source is src/" other "/" base)
    }
    for (i = 1; i <= includes; i++) {
        split(from[i], part, "/")
        mine = part[1] == "src" ? part[2] : home[from[i]]
        name = substr(file[i], 2)
        sub(/[">].*/, "", name)
        place = from[i] ":" at[i]
        if (name ~ /^stagegraph\//) {
            target = "include/" name
            if (file[i] ~ /^</)
                wrong(place, "write \"" name "\"")
            if (!(target in there))
                wrong(place, name " is not there")
            else if (home[target] in may && mine in may && !index(may[mine], " " home[target] " "))
                wrong(place, "floor " mine " includes " name " of floor " home[target])
        } else if (file[i] ~ /^"/ && !((part[1] "/" part[2] "/" name) in there))
            wrong(place, name " is not there (\"...\": stagegraph/x.h, or a private header beside)")
    }
    exit bad
}' $files
