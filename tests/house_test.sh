#!/bin/sh
# Tests tests/house.sh and the build: a scratch tree with a module or two keeps all the rules; each
# case plants one violation and wants it refused, with its place, and nothing else said. The last
# cases build that tree. The last line is the totals.

set -u
LC_ALL=C
export LC_ALL
src=$(cd "$(dirname "$0")/.." && pwd -P) || exit 2
dir=$(mktemp -d) || exit 2
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM
passed=0 failed=0

# put FILE LINE...: writes the file.
put()
{
    into=$1
    shift
    mkdir -p "$(dirname "$into")"
    printf '%s\n' "$@" >"$into"
}

header()
{
    put "include/stagegraph/$1.h" "/*" " * $1: a sample." " *" " * Floor: $2. And so on." " */" \
        "int sg_$1(void);"
}

# A tree that keeps the rules, with all that looks like a violation and isn't one.
fresh()
{
    rm -rf "$dir/tree"
    mkdir "$dir/tree"
    cd "$dir/tree" || exit 2
    header buf base
    header graph graph
    header store store
    header plan plan
    put src/base/buf.c '#include "stagegraph/buf.h"' '' '#include <assert.h>' '#include <stdlib.h>' \
        '' '#include "buf_private.h"' '' \
        '/* exit(1), or abort(' ' * getenv("HOME") on stderr */' \
        'struct sink {' '    void (*abort)(void);' '    int stdout_fd;' '};' \
        'const char *sg_text = "exit(1) \" /* getenv(";' "const char sg_quote = '\"';" \
        'void sg_use(struct sink *s);' 'void sg_use(struct sink *s) { s->abort(); } // stdout' \
        '#ifdef SG_TEST_BUILD' 'void sg_stop(void) { abort(); }' '#endif' \
        'static_assert(sizeof(int) >= 4, "");' \
        'int sg_buf(void) { return 0; }'
    put src/base/buf_private.h '/* Private. */'
    put src/shim/buf.c 'int sg_shim;'
    put src/graph/graph.c '#include "stagegraph/graph.h"' '' '#include "stagegraph/buf.h"' \
        'int sg_graph(void) { return sg_buf(); }'
    put src/store/store.c '#include "stagegraph/store.h"' 'int sg_store(void) { return 0; }'
    put src/plan/plan.c '#include "stagegraph/plan.h"' '#include "stagegraph/graph.h"' \
        '#include "stagegraph/store.h"' 'int sg_plan(void) { return sg_graph() + sg_store(); }'
    put src/cli/main.c '#include <stdio.h>' '#include <stdlib.h>' '#include "stagegraph/plan.h"' \
        'int main(void)' '{' '    if (getenv("SG_FAIL"))' '        exit(1);' \
        '    fputs("hello\n", stdout);' '    return sg_plan();' '}'
    put src/shim/main.c '#include <unistd.h>' 'int main(void)' '{' '    _exit(environ == 0);' '}'
}

# verdict NAME: counts the case; its status is that of the command before.
verdict()
{
    if [ $? -eq 0 ]; then
        passed=$((passed + 1))
        echo "ok   $1"
    else
        failed=$((failed + 1))
        echo "FAIL $1"
        cat "$dir/out"
    fi
}

# refused NAME PLACE WORDS: house.sh must fail with one line that begins with PLACE and has WORDS.
refused()
{
    sh "$src/tests/house.sh" "$dir/tree" >"$dir/out" 2>&1
    [ $? -eq 1 ] && [ "$(wc -l <"$dir/out")" -eq 1 ] && grep -q "^$2: .*$3" "$dir/out"
    verdict "$1"
}

fresh
sh "$src/tests/house.sh" "$dir/tree" >"$dir/out" 2>&1 && [ ! -s "$dir/out" ]
verdict "a_tree_that_keeps_the_rules_passes"

while IFS='|' read -r name file text words; do
    fresh
    printf '%b\n' "$text" >>"$file"
    refused "$name" "$file:$(wc -l <"$file")" "$words"
done <<'EOF'
base_may_not_include_graph|src/base/buf.c|#include "stagegraph/graph.h"|floor base includes
graph_may_not_include_store|src/graph/graph.c|#include "stagegraph/store.h"|floor graph includes
store_may_not_include_graph|src/store/store.c|# include "stagegraph/graph.h"|floor store includes
a_header_may_not_include_upwards|include/stagegraph/graph.h|#include "stagegraph/plan.h"|floor graph includes
the_shim_includes_only_base|src/shim/main.c|#include "stagegraph/store.h"|floor shim includes
an_include_must_be_there|src/plan/plan.c|#include "stagegraph/none.h"|is not there
a_private_header_is_its_floors_alone|src/plan/plan.c|#include "buf_private.h"|is not there
no_include_by_a_way_up|src/plan/plan.c|#include "../base/buf_private.h"|is not there
our_headers_in_quotes|src/plan/plan.c|#include <stagegraph/buf.h>|write
exit_is_cli's|src/plan/plan.c|void f(int a) { if (a) exit (1); }|^*exit belongs
_exit_is_the_shim's|src/plan/plan.c|void f(void) { _exit(1); }|_exit belongs
abort_is_cli's|src/base/buf.c|/* so */ void f(void) { abort(); }|abort belongs
assert_is_abort|src/base/buf.c|void f(int a) { assert(a); }|assert belongs
after_a_test_build_the_rule_holds|src/base/buf.c|#ifdef SG_TEST_BUILD\n#else\nvoid g(void) { abort(); }|abort belongs
getenv_is_cli's|src/store/store.c|char *f(void) { return getenv("HOME"); }|getenv belongs
printf_is_cli's|src/graph/graph.c|void f(void) { printf("\\\\"); }|printf belongs
stdout_is_cli's|src/graph/graph.c|void f(void) { fputs("a", stdout); }|stdout belongs
stderr_is_cli's|src/shim/main.c|void f(void) { fputs("a /*", stderr); }|stderr belongs
environ_is_cli's_and_the_shim's|src/store/store.c|extern char **environ;|environ belongs
a_header_is_code_too|include/stagegraph/buf.h|static inline void f(void) { exit(1); }|exit belongs
EOF

fresh
put include/stagegraph/plan.h '/* plan: a sample. */' '/* Floor: plan. */' 'int sg_plan(void);'
refused "a_header_says_its_floor_in_the_opening_comment" include/stagegraph/plan.h:1 "no .Floor"
fresh
header plan attic
refused "a_header's_floor_exists" include/stagegraph/plan.h:4 "no floor is called attic"
fresh
header buf graph
rm src/graph/graph.c src/plan/plan.c src/base/buf.c
put src/base/buf.c
refused "a_header's_floor_is_where_its_source_is" include/stagegraph/buf.h:4 "its source is src/base"
fresh
put src/base/buf_private.h '/* Private. Floor: graph. */'
refused "a_private_header's_floor_is_its_directory" src/base/buf_private.h:1 "lies in src/base"
fresh
put src/attic/x.c 'int sg_x;'
refused "a_directory_is_a_floor" src/attic/x.c:1 "no floor"

# The build of such a tree.
[ -n "${CC-}" ] || CC=cc
built()
{
    ninja "$@" >"$dir/out" 2>&1
}
fresh
cp "$src/configure" "$src/build.ninja.in" "$src/build.edges.sh" .
mkdir tests
cp "$src/tests/house.sh" "$src/tests/run.sh" tests/
./configure CC="$CC" CFLAGS='' LDFLAGS='' >"$dir/out" 2>&1 && built &&
    [ "$(build/stagegraph)" = hello ] && build/stagegraph-shim
verdict "the_tree_builds"
built && grep -q 'no work to do' "$dir/out"
verdict "a_second_build_has_nothing_to_do"
put src/base/more.c 'int sg_more(void);' 'int sg_more(void) { return 0; }'
built all && [ -e build/obj/src/base/more.o ]
verdict "an_added_source_is_built"
rm src/base/more.c
built && ! grep -q more.o build.ninja
verdict "a_removed_source_is_forgotten"
header needy base
echo 'struct sg_span sg_needy(void);' >>include/stagegraph/needy.h
! built all && grep -q needy.h "$dir/out"
verdict "a_header_has_to_compile_alone"
rm include/stagegraph/needy.h
sleep 0.05 # A change within the same tick of the clock would not be seen.
echo '#include "stagegraph/plan.h"' >>src/base/buf.c
! built && grep -q 'src/base/buf.c:[0-9]*: floor base' "$dir/out"
verdict "the_build_fails_on_a_broken_rule"
fresh
DESTDIR="$dir/root"
export DESTDIR
mkdir "$dir/o"
cp "$src/configure" "$src/build.ninja.in" "$src/build.edges.sh" .
mkdir tests
cp "$src/tests/house.sh" "$src/tests/run.sh" tests/
(cd "$dir/o" && "$dir/tree/configure" CC="$CC" --prefix=/opt && built install &&
    [ -x "$DESTDIR/opt/bin/stagegraph" ] &&
    [ -x "$DESTDIR/opt/libexec/stagegraph/stagegraph-shim" ]) >>"$dir/out" 2>&1 && [ ! -e build ]
verdict "a_build_elsewhere_leaves_the_source_alone_and_installs"

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
