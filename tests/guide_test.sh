#!/bin/sh
# Does what README.md and docs/guide.md tell to do, in a scratch directory. A comment in front of a
# block in fences says what it is:
#
#   <!-- file: PATH -->         the block is this file
#   <!-- run -->                its lines "$ COMMAND" are run in one shell, and print what follows them
#   <!-- run, loosely -->       the same, but a line may come anywhere, and no number is compared
#   <!-- run, after COMMAND --> the same as run, with something done before that isn't told
#
# A command that nothing follows has to exit with 0. "…" in a line of output is anything, and a line of its own any lines. Times, sizes, hashes, ids of
# runs and the place of the directory are not compared. The last line is the totals.

set -u
LC_ALL=C.UTF-8
export LC_ALL
src=$(cd "$(dirname "$0")/.." && pwd) || exit 2
dir=$(mktemp -d) || exit 2
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM
passed=0 failed=0
bin=$(dirname "${STAGEGRAPH_BIN:?is not set: see build/env.sh}")
PATH=$bin:$PATH
export PATH
unset STAGEGRAPH_GRAPH STAGEGRAPH_NOW
mkdir "$dir/visits" "$dir/blocks" && cd "$dir/visits" || exit 2

# Each marked block of a document becomes NNN.WHAT, its text behind a first line with what was asked.
blocks()
{
    rm -f "$dir/blocks/"*
    awk -v to="$dir/blocks" '
        /^```/ && inside { inside = 0; close(name); next }
        inside { print > name; next }
        /^<!-- (file|run)/ { what = $0; sub(/^<!-- /, "", what); sub(/ -->$/, "", what); next }
        /^```/ && what != "" {
            name = sprintf("%s/%03d", to, ++n)
            print what > name
            inside = 1
            what = ""
        }' "$1"
}

# plain LOOSELY: without what differs from run to run, and the blanks of a table because of it. Whether
# a kill met a node under way, or fell between two, differs too.
plain()
{
    sed -E -e 's/[0-9]{8}T[0-9]{6}-[0-9a-f]{6}/RUN/g' \
        -e 's/[0-9]{4}-[0-9-]+T[0-9:]+Z$/NOW/' -e 's/\b[0-9a-f]{16,32}\b/HASH/g' \
        -e 's/peak [0-9.]+ .iB/PEAK/g' -e 's/\(?\b[0-9.]+s\b/SECONDS/g' \
        -e 's,file://[^ ]*/,file://…/,g' -e 's/ +/ /g' -e 's/^ …$/…/' \
        -e 's/[ -]+$//' -e 's/ (SECONDS|-)$//' ${1:+-e 's/[0-9]+/N/g' -e 's/\(interrupted\)/(missing)/'}
}

# same PATTERNS LINES LOOSELY
same()
{
    awk -v any="$3" '
        function fits(line, pattern,    n, part, i, at) {
            n = split(pattern, part, "…")
            if (n == 1) return line == pattern
            if (substr(line, 1, length(part[1])) != part[1]) return 0
            line = substr(line, length(part[1]) + 1)
            for (i = 2; i <= n; i++) {
                if (part[i] == "") continue
                if (!(at = index(line, part[i]))) return 0
                line = substr(line, at + length(part[i]))
            }
            return line == "" || part[n] == ""
        }
        NR == FNR { want[++w] = $0; next }
        { got[++g] = $0 }
        END {
            k = 1
            for (i = 1; i <= w; i++) {
                if (want[i] == "…") { gap = 1; continue }
                if (any) k = gap = 1
                while (gap && k <= g && !fits(got[k], want[i])) k++
                if (k > g || !fits(got[k], want[i])) {
                    print "    not printed: " want[i] (gap ? "" : "\n    but: " got[k])
                    exit 1
                }
                k++
                gap = 0
            }
            if (!gap && !any && k <= g) { print "    printed, too: " got[k]; exit 1 }
        }' "$1" "$2"
}

# run BLOCK LOOSELY: its commands in one shell, each with its output in a file.
run()
{
    rm -f "$dir"/want.* "$dir"/got.* "$dir"/failed.*
    awk -v dir="$dir" '
        NR == 1 { if (sub(/^run, after /, "")) print; next }
        /^\$ / {
            close(want)
            want = sprintf("%s/want.%02d", dir, ++n)
            printf "" > want
            command = substr($0, 3)
            if (command ~ /&$/) print command
            else
                printf "{ %s\n} >%s/got.%02d 2>&1 </dev/null || echo \"exit $?\" >%s/failed.%02d\n",
                    command, dir, n, dir, n
            next
        }
        { print > want }' "$1" >"$dir/script"
    sh "$dir/script" >/dev/null 2>&1
    for want in "$dir"/want.*; do
        got=$dir/got.${want##*.}
        if [ ! -s "$want" ]; then
            [ ! -e "$dir/failed.${want##*.}" ] || { cat "$dir/failed.${want##*.}" "$got"; return 1; }
            continue
        fi
        plain "$2" <"$want" >"$dir/a"
        plain "$2" <"$got" >"$dir/b"
        same "$dir/a" "$dir/b" "$2" || { cat "$got"; return 1; }
    done
}

for doc in README.md docs/guide.md; do
    blocks "$src/$doc"
    rm -rf data .stagegraph
    for block in "$dir/blocks/"*; do
        read -r what <"$block"
        case $what in
        file:*)
            path=${what#file: }
            mkdir -p "$(dirname "$path")"
            sed 1d "$block" >"$path"
            continue
            ;;
        'run, loosely') loosely=1 ;;
        *) loosely= ;;
        esac
        name="$doc: $(grep '^\$ ' "$block" | head -1)"
        if run "$block" "$loosely"; then
            passed=$((passed + 1))
            echo "ok   $name"
        else
            failed=$((failed + 1))
            echo "FAIL $name"
        fi
    done
done
# A search that finds nothing proves nothing.
[ $passed -ge 8 ] || [ $failed -gt 0 ] || { failed=1; echo "FAIL only $passed blocks were found"; }
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
