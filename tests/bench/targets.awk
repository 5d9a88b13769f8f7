# The targets of ninja bench, by its results: KEY NAME WALL LOW HIGH CPU PEAK CALLS and two ratios, with
# tabs (bench_race.c), and "sweep NANOSECONDS" (runs.sh). A target whose contestants did not race is
# left out. Needs -v floor="stat on all 2 cores".

BEGIN { FS = "\t" }

{
    wall[$1, $2] = $3
    cpu[$1, $2] = $6
    peak[$1, $2] = $7
}

# both(KEY, A, B): did they race?
function both(key, a, b) {
    return (key, a) in wall && (key, b) in wall
}

function tell(what, is, most) {
    if (!told++)
        print "\ntargets"
    printf "  %-72s %8.2f of %6.2f  %s\n", what, is, most, is <= most ? "met" : "MISSED"
}

function ratio(what, of, key, a, b, most) {
    if (both(key, a, b) && of[key, b] > 0)
        tell(what, of[key, a] / of[key, b], most)
}

END {
    sg = "stagegraph"
    ratio("nothing to do, 262,800 nodes: of ninja's time", wall, "nothing/87600", sg, "ninja", 0.2)
    ratio("    of a stat of each marker on all cores", wall, "nothing/87600", sg, floor, 1.3)
    ratio("    of ninja's memory", peak, "nothing/87600", sg, "ninja", 0.25)
    if (("sweep", "-") in wall)
        tell("    without the markers: ns a node", wall["sweep", "-"], 60)
    if (("nothing/876000", sg) in wall) {
        tell("2,628,000 nodes: MiB", peak["nothing/876000", sg] / 1048576, 256)
        if (both("nothing/87600", sg, floor) && both("nothing/876000", sg, floor)) {
            more = wall["nothing/876000", sg] / wall["nothing/87600", sg]
            floor_more = wall["nothing/876000", floor] / wall["nothing/87600", floor]
            tell("    time, of that of a tenth of them, by what the stats alone take more",
                more / floor_more, 1.1)
        }
    }
    ratio("3 nodes, nothing to do, a cold process: of ninja's time", wall, "nothing/1", sg, "ninja", 1.5)
    ratio("a node at -j1, trivial command: of ninja's time", wall, "backfill/744/j1", sg, "ninja", 1)
    ratio("    of ninja's cpu time", cpu, "backfill/744/j1", sg, "ninja", 1)
}
