#!/bin/sh
# Counts the instructions of each path without input and output (build/counts/counts) with valgrind's
# callgrind, and holds them against tests/counts/record.
#
#   sh tests/counts/run.sh show     the table; never fails because of a figure
#   sh tests/counts/run.sh check    fails where a path takes more than the tolerance above its record
#   sh tests/counts/run.sh record   writes the record anew
#
# From the build directory; `ninja counts`, counts-check and counts-record are these. COUNTS_PATHS
# (all) picks paths, not for `record`. COUNTS_TOLERANCE is per cent (see compare.sh). VALGRIND is the
# program. What callgrind wrote stays in build/counts/PATH.callgrind, for callgrind_annotate.
#
# The figures are of one compiler, its flags, one C library and x86-64, which the record names. With
# others `check` prints the table, says that it is not compared, and passes; with COUNTS_MUST=1, as
# CI has it, that is a failure. Without valgrind it fails, too.

set -u
LC_ALL=C
export LC_ALL
here=$(cd "$(dirname "$0")" && pwd -P) || exit 2
what=${1-}
out=build/counts
record=${COUNTS_RECORD:-$here/record}
valgrind=${VALGRIND:-valgrind}

fail()
{
    printf 'counts: %s\n' "$*" >&2
    exit 2
}

case $what in
show | check | record) ;;
*) fail "usage: sh tests/counts/run.sh show | check | record" ;;
esac
[ -x $out/counts ] || fail "no $out/counts here: run it from the build directory, after ninja"
case ${BUILD_FLAGS-} in
*-fsanitize*) fail "not with sanitizers, which valgrind does not run" ;;
esac
command -v "$valgrind" >/dev/null ||
    fail "$valgrind is missing; on Debian ./configure --bootstrap-dev installs it"
[ "$what" != record ] || [ -z "${COUNTS_PATHS-}" ] || fail "a record is of all paths"

# What the figures depend on. Warnings change no instruction.
about()
{
    $out/counts --about || exit
    printf 'flags:'
    # Flags are words.
    # shellcheck disable=SC2086
    set -- ${BUILD_FLAGS-}
    for flag; do
        case $flag in
        -W[!lp]* | -g*) ;;
        *) printf ' %s' "$flag" ;;
        esac
    done
    echo
}

# The C library chooses its functions by the processor and by the sizes of its caches, and valgrind
# shows the program a processor that is not the same one everywhere: so it is told to take what every
# x86-64 has. Nothing else of the environment is seen.
tunables=glibc.cpu.hwcaps=-AVX,-AVX2,-AVX_Fast_Unaligned_Load,-BMI1,-BMI2,-ERMS,-FSRM,-FMA,-LZCNT
tunables=$tunables,-MOVBE,-SSE4_1,-SSE4_2,-SSSE3,Fast_Unaligned_Load,Fast_Unaligned_Copy
for limit in rep_movsb_threshold rep_stosb_threshold non_temporal_threshold; do
    tunables=$tunables:glibc.cpu.x86_$limit=1000000000
done
tunables=$tunables:glibc.cpu.x86_data_cache_size=32768:glibc.cpu.x86_shared_cache_size=1048576

# count PATH: prints its units and leaves what callgrind saw in $out/PATH.callgrind.
count()
{
    env -i PATH=/usr/bin:/bin LC_ALL=C GLIBC_TUNABLES="$tunables" "$valgrind" -q --tool=callgrind \
        --callgrind-out-file="$out/$1.callgrind" --collect-atstart=no --toggle-collect=counted \
        "$program" "$1"
}

# chosen FILE: functions there that the C library has chosen by the processor all the same.
chosen()
{
    sed -n 's/^c\{0,1\}fn=([0-9]*) \(__[a-z0-9]*_.*\(avx\|evex\|sse3\|sse4\|erms\|fma\).*\)/\1/p' "$1" |
        sort -u | tr '\n' ' '
}

# measure: a line a path: name, unit, instructions a unit.
measure()
{
    $out/counts --list | while read -r path unit; do
        case " ${COUNTS_PATHS:-$path} " in
        *" $path "*) ;;
        *) continue ;;
        esac
        n=$(count "$path") || fail "$path does not run under $valgrind"
        total=$(sed -n 's/^totals: *//p' "$out/$path.callgrind")
        [ "${total:-0}" -gt 0 ] || fail "$path: callgrind has counted nothing"
        [ -z "$(chosen "$out/$path.callgrind")" ] ||
            fail "$path: functions of this processor: $(chosen "$out/$path.callgrind")"
        awk -v p="$path" -v u="$unit" -v t="$total" -v n="$n" \
            'BEGIN { printf "%-16s %-10s %12.2f\n", p, u, t / n }'
    done
}

about >$out/now.tmp
# Valgrind 3.19 gives up over what clang 14 writes for debuggers.
program=$out/counts
if grep -q '^compiler: clang' $out/now.tmp; then
    program=$out/counts.stripped
    strip -g -o "$program" $out/counts || exit
fi
measure >>$out/now.tmp || exit
mv $out/now.tmp $out/now
if [ "$what" = record ]; then
    {
        echo "# Instructions a unit of the paths without input and output; see docs/performance.md."
        echo "# Written by \`ninja counts-record\`. Figures of another compiler, flags, C library or"
        echo "# machine than these are not compared:"
        cat $out/now
    } >$out/record && cat $out/record >"$record" && echo "written: $record"
    exit
fi
sh "$here/compare.sh" "$what" "$record" $out/now
