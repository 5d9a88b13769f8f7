# build.edges.sh: read by configure, which has set $S (the way to the source, empty beside it), $tmp
# and $jdk. Looks which files are there and leaves:
#   $tmp/edges      the edges of build.ninja: a file a rule, as in build.ninja.in
#   $tmp/drivers    the tests: a line each of kind, name and path, for tests/run.sh
#   $tmp/drivers.hdfs   those that need a real HDFS
#   $archives $programs $unit $e2e $helpers $hdfs $bench $counts $headers $sources $jar    for
#   build.ninja.in

# Lists of names are words, to be split; what comes and what is left is configure's.
# shellcheck shell=sh disable=SC2016,SC2034,SC2086,SC2154,SC2231,SC2254

FLOORS="base graph net store record plan run report cli shim"
built=
rule=cc objdir=build/obj
: >$tmp/edges
: >$tmp/drivers
: >$tmp/drivers.hdfs

# glob PREFIX SUFFIX: leaves the names of the files, without $S, in $found.
glob()
{
    found=
    for f in "$S$1"*$2; do
        [ ! -e "$f" ] || found="$found ${f#"$S"}"
    done
}

edge()
{
    printf 'build %s: %s\n' "$1" "$2" >>$tmp/edges
}

# compile FILE [FLAGS]: leaves the object's name in $object, its base name in $name.
compile()
{
    name=${1##*/}
    name=${name%.c} object=$objdir/${1%.c}.o
    edge $object "$rule \${s}$1"
    [ -z "${2-}" ] || echo "  extra = $2" >>$tmp/edges
}

# compile_dir DIR EXCEPT [FLAGS]: all but what matches the pattern, and the module's files; leaves the
# names in $objects.
compile_dir()
{
    objects=
    glob $1/ .c
    for f in $found; do
        case ${f##*/} in
        $2 | webhdfs*.c | hadoop*.c | yarn_*.c) ;;
        *) compile $f "${3-}"; objects="$objects $object" ;;
        esac
    done
}

# archives FLOOR: leaves the archives of FLOOR and of those it may use, highest first, in $libs.
archives()
{
    low="store net graph base"
    case $1 in
    base) under=base ;;
    graph | net | shim) under="$1 base" ;;
    store) under="store net base" ;;
    record) under="record $low" ;;
    plan) under="plan record $low" ;;
    run) under="run plan record $low" ;;
    report) under="report run plan record $low" ;;
    cli) under="cli report run plan record $low" ;;
    esac
    libs=
    for floor in $under; do
        case " $built " in
        *" $floor "*) libs="$libs build/libsg_$floor.a" ;;
        esac
    done
}

# main.c is the program's alone, so that the rest of cli can be tested.
for floor in $FLOORS; do
    [ $floor != net ] || continue
    compile_dir src/$floor main.c
    if [ -n "$objects" ]; then
        edge build/libsg_$floor.a "ar$objects"
        built="$built $floor" archives="$archives build/libsg_$floor.a"
    fi
done
if [ -e "${S}src/cli/main.c" ]; then
    compile src/cli/main.c
    archives cli
    edge build/stagegraph "link $object$libs"
    programs=' build/stagegraph'
fi

# The module with WebHDFS and YARN: what speaks HTTP or reads Hadoop's XML, and base once more, all of
# it to be loaded anywhere.
net=
rule=cc_module objdir=build/module
compile_dir src/net -
net=$objects
glob src/store/ .c
for f in $found; do
    case ${f##*/} in
    webhdfs*.c | hadoop*.c | yarn_*.c) compile $f; net="$net $object" ;;
    esac
done
compile_dir src/base -
edge build/module/libsg_net.a "ar$net"
edge build/stagegraph-webhdfs.so "link_module$net$objects"
programs="$programs build/stagegraph-webhdfs.so"

# The shim, and the one file of base that it uses, compiled once more for it: small, static, never
# sanitized.
rule=cc_shim objdir=build/shim
compile_dir src/shim -
if [ -n "$objects" ]; then
    object=
    [ ! -e "${S}src/base/proc.c" ] || compile src/base/proc.c
    edge build/stagegraph-shim "link_shim$objects $object"
    programs="$programs build/stagegraph-shim"
fi
rule=cc objdir=build/obj

# A unit test's driver links its module's floor and those below (all but cli when there is no such
# module), and the fakes. Its includes find that floor's private headers.
compile_dir tests/fake - "-I\${s}tests/fake"
fakes=
if [ -n "$objects" ]; then
    fakes=' build/tests/libsg_fake.a'
    edge $fakes "ar$objects"
fi
glob tests/unit/test_ .c
for f in $found; do
    module=${f#tests/unit/test_} home=report
    for floor in $FLOORS; do
        [ ! -e "${S}src/$floor/$module" ] || home=$floor
    done
    case $module in
    webhdfs*.c | hadoop*.c | yarn_*.c) home=store net=yes ;;
    *) net=$([ $home != net ] || echo yes) ;;
    esac
    compile $f "-I\${s}tests/fake -I\${s}src/$home"
    archives $home
    if [ -n "$net" ]; then
        edge build/tests/unit/$name "link_net_test $object build/module/libsg_net.a$fakes$libs"
    else
        edge build/tests/unit/$name "link_test $object$fakes$libs"
    fi
    unit="$unit build/tests/unit/$name"
    echo "unit ${module%.c} build/tests/unit/$name" >>$tmp/drivers
done

# Drivers of end-to-end tests share what isn't called test_*; a helper is a program of its own.
archives base
compile_dir tests/e2e 'test_*'
fixture=$objects
glob tests/e2e/test_ .c
for f in $found; do
    compile $f
    edge build/tests/e2e/$name "link_test $object$fixture$libs"
    e2e="$e2e build/tests/e2e/$name"
    echo "e2e ${name#test_} build/tests/e2e/$name" >>$tmp/drivers
done
glob tests/e2e/helpers/ .c
for f in $found; do
    compile $f
    edge build/tests/helpers/$name "link_test $object$libs"
    helpers="$helpers build/tests/helpers/$name"
done

# Those with a real HDFS (ninja check-hdfs) have the same fixture and more, which speaks HTTP.
compile_dir tests/hdfs 'test_*' '$net_cflags'
hdfs_fixture=$objects
glob tests/hdfs/test_ .c
for f in $found; do
    compile $f
    edge build/tests/hdfs/$name "link_net_test $object$hdfs_fixture$fixture$libs"
    hdfs="$hdfs build/tests/hdfs/$name"
    echo "hdfs ${name#test_} build/tests/hdfs/$name" >>$tmp/drivers.hdfs
done
glob tests/hdfs/helpers/ .c
for f in $found; do
    compile $f
    edge build/tests/helpers/$name "link_net_test $object $objdir/tests/hdfs/io.o$libs"
    hdfs="$hdfs build/tests/helpers/$name"
done

# A benchmark is a program of its own, too; what isn't called bench_* is shared by them.
archives run
compile_dir tests/bench 'bench_*' "-I\${s}src/plan"
edge build/bench/libsg_bench.a "ar$objects"
glob tests/bench/bench_ .c
for f in $found; do
    compile $f "-I\${s}src/plan"
    edge build/bench/$name "link $object build/bench/libsg_bench.a$libs"
    bench="$bench build/bench/$name"
done

# The paths whose instructions are counted are one program.
archives report
compile_dir tests/counts - "-I\${s}tests/bench -I\${s}src/plan -I\${s}src/store"
if [ -n "$objects" ]; then
    edge build/counts/counts "link $objects build/bench/libsg_bench.a build/module/libsg_net.a$libs"
    counts=' build/counts/counts'
fi

glob tests/ _test.sh
for f in $found; do
    name=${f#tests/}
    echo "script ${name%_test.sh} $f" >>$tmp/drivers
done

# Each header must compile alone; the house rules look at all sources.
for dir in include/stagegraph $(printf 'src/%s ' $FLOORS); do
    glob $dir/ .h
    for f in $found; do
        edge build/headers/$f.ok "header \${s}$f"
        headers="$headers build/headers/$f.ok"
    done
    glob $dir/ '.[ch]'
    for f in $found; do
        sources="$sources \${s}$f"
    done
done

java=$(cd "${S:-.}" && find graphs/flights/jobs -name '*.java' 2>/dev/null | sort) || :
if [ -n "$jdk" ] && [ -n "$java" ]; then
    jar=' build/graphs/flights/flights.jar'
    edge $jar "flights_jar $(printf '${s}%s ' $java)"
fi
