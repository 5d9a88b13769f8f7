#!/bin/sh
# Holds the documents against the tree: every section that a source cites is there, every relative
# link leads somewhere, and the reference mentions every key, variable, option and command. The last
# line is the totals.

set -u
LC_ALL=C
export LC_ALL
cd "$(dirname "$0")/.." || exit 2
dir=$(mktemp -d) || exit 2
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM
passed=0 failed=0

# verdict NAME: the case fails if $dir/wrong has a line.
verdict()
{
    if [ -s "$dir/wrong" ]; then
        failed=$((failed + 1))
        echo "FAIL $1"
        cat "$dir/wrong"
    else
        passed=$((passed + 1))
        echo "ok   $1"
    fi
}

# found NAME LEAST: the case fails, too, if $dir/list is shorter than LEAST lines: then it is the
# search that has gone wrong.
found()
{
    [ "$(wc -l <"$dir/list")" -ge "$2" ] || echo "only $(wc -l <"$dir/list") were found" >>"$dir/wrong"
    verdict "$1"
}

# Headings of a document, without what stands in fences.
headings()
{
    awk '/^```/ { fence = !fence } !fence && /^#+ / { sub(/^#+ +/, ""); print }' "$1"
}

# A heading as the end of a link: lower case, punctuation gone, a dash for each blank.
anchors()
{
    headings "$1" | tr '[:upper:] ' '[:lower:]-' | sed 's/[^a-z0-9_-]//g'
}

# ---- citations: docs/design.md, "Title" and "Title", over the ends of lines too

find include src tests build.ninja.in configure -type f ! -name docs_test.sh | sort |
    while read -r file; do
        awk -v file="$file" '
            { sub(/^[ \t]*(\*|\/\*|#)[ \t]*/, ""); text = text " " $0 }
            END {
                while (match(text, /docs\/[a-z]+\.md, *"[^"]+"( and "[^"]+")*/)) {
                    cite = substr(text, RSTART, RLENGTH)
                    text = substr(text, RSTART + RLENGTH)
                    doc = cite
                    sub(/,.*/, "", doc)
                    while (match(cite, /"[^"]+"/)) {
                        title = substr(cite, RSTART + 1, RLENGTH - 2)
                        gsub(/ +/, " ", title)
                        print file "\t" doc "\t" title
                        cite = substr(cite, RSTART + RLENGTH)
                    }
                }
            }' "$file"
    done >"$dir/list"
: >"$dir/wrong"
while IFS='	' read -r file doc title; do
    { [ -r "$doc" ] && headings "$doc" | grep -qxF "$title"; } ||
        echo "$file: $doc has no section \"$title\"" >>"$dir/wrong"
done <"$dir/list"
found "a_cited_section_is_there" 30

# ---- links

: >"$dir/list"
: >"$dir/wrong"
for doc in README.md docs/*.md graphs/*/README.md graphs/*/data/README.md; do
    [ -e "$doc" ] || continue
    awk '
        /^```/ { fence = !fence }
        fence { next }
        {
            gsub(/`[^`]*`/, "")
            text = text " " $0 # a link may go over the end of a line
        }
        END {
            while (match(text, /\]\([^) ]+\)/)) {
                print substr(text, RSTART + 2, RLENGTH - 3)
                text = substr(text, RSTART + RLENGTH)
            }
        }' "$doc" |
        while read -r link; do
            case $link in
            *://* | mailto:*) continue ;;
            esac
            echo "$link" >>"$dir/list"
            to=${link%%#*}
            file=$(dirname "$doc")/$to
            [ -n "$to" ] || file=$doc
            if [ ! -e "$file" ]; then
                echo "$doc: ($link): there is no such file" >>"$dir/wrong"
                continue
            fi
            case $link in
            *'#'*) anchors "$file" | grep -qxF -- "${link#*#}" ||
                echo "$doc: ($link): there is no such heading" >>"$dir/wrong" ;;
            esac
        done
done
found "a_link_leads_somewhere" 20

# ---- the reference

ref=docs/reference.md

# part HEADING: that section of the reference, up to the next heading of its rank or above.
part()
{
    awk -v head="$1" '
        /^#+ / {
            rank = length($1)
            if (inside && rank <= mine) exit
            if (!inside && substr($0, rank + 2) == head) { inside = 1; mine = rank }
        }
        inside' "$ref"
}

# A mention is a word between backquotes, `a b` two of them; of an option `--a`, `--a B`, `--a[=B]`.
mentions()
{
    awk -v word="$1" '{
        n = split($0, piece, "`")
        for (i = 2; i <= n; i += 2) {
            m = split(piece[i], w, /[ =\[]/)
            for (k = 1; k <= m; k++)
                if (w[k] == word) found = 1
        }
    }
    END { exit !found }'
}

# Rows like { SG_SECTION_STAGE, "timeout", …: the section and the key.
sed -n 's/^ *{ SG_SECTION_\([A-Z]*\), "\([^"]*\)".*/\1 \2/p' src/graph/keys.c >"$dir/list"
: >"$dir/wrong"
while read -r section key; do
    name=$(echo "$section" | tr '[:upper:]' '[:lower:]')
    case $name in
    graph | store | yarn) head="[$name]" ;;
    *) head="[$name NAME]" ;;
    esac
    part "$head" | mentions "$key" || echo "$ref, \"$head\" lacks the key $key" >>"$dir/wrong"
done <"$dir/list"
found "the_reference_has_every_key" 60

# Rows like { "start", .help = …
sed -n '/sg_var vars\[\]/,/^};/s/^ *{ "\([A-Za-z._]*\)",.*/\1/p' src/graph/keys.c >"$dir/list"
: >"$dir/wrong"
while read -r name; do
    part "Variables" | mentions "$name" || echo "$ref, \"Variables\" lacks $name" >>"$dir/wrong"
done <"$dir/list"
found "the_reference_has_every_variable" 20

# Rows like [SG_OPT_FROM] = { SG_OPT_FROM, "from", 0, …: the name, and the letter or 0.
sed -n "s/^ *\[SG_OPT_[A-Z_]*\] = { SG_OPT_[A-Z_]*, \"\([a-z-]*\)\", \([^,]*\),.*/\1 \2/p" \
    src/cli/options.c >"$dir/list"
: >"$dir/wrong"
while read -r name letter; do
    part "Options" | mentions "--$name" || echo "$ref, \"Options\" lacks --$name" >>"$dir/wrong"
    [ "$letter" = 0 ] || part "Options" | mentions "-$(echo "$letter" | tr -d "'")" ||
        echo "$ref, \"Options\" lacks the letter of --$name" >>"$dir/wrong"
done <"$dir/list"
found "the_reference_has_every_option" 30

sed -n 's/^ *\.name = "\([a-z]*\)",.*/\1/p' src/cli/cmd_*.c >"$dir/list"
: >"$dir/wrong"
while read -r name; do
    part "Commands" | mentions "$name" || echo "$ref, \"Commands\" lacks $name" >>"$dir/wrong"
done <"$dir/list"
found "the_reference_has_every_command" 10

# Rows like SG_EXIT_BUSY = 4.
sed -n 's/^ *SG_EXIT_[A-Z_]* = \([0-9]*\).*/\1/p' src/cli/cli.h >"$dir/list"
: >"$dir/wrong"
while read -r status; do
    for doc in "$ref" docs/guide.md; do
        grep -q "^| $status |" "$doc" || echo "$doc lacks the exit status $status" >>"$dir/wrong"
    done
done <"$dir/list"
found "every_exit_status_is_told" 8

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
