# shellcheck shell=sh disable=SC2154,SC2164
# The scenarios of ninja bench that run nothing: what is there to do, and why.

# turns_for NODES: a race of some seconds.
turns_for()
{
    if [ "$1" -le 100 ]; then
        echo 61
    elif [ "$1" -le 3000 ]; then
        echo 21
    elif [ "$1" -le 30000 ]; then
        echo 9
    elif [ "$1" -le 300000 ]; then
        echo 5
    else
        echo 3
    fi
}

# The look at everything, by everybody.
look_at_all()
{
    stagegraph -f graph.ini plan >/dev/null # makes the cache
    {
        cat <<.
stagegraph | Nothing to do: $(commas "$nodes") fresh | . | stagegraph -f graph.ini plan
ninja | no work to do | . | ninja
samu | nothing to do | . | samu -f samu.ninja
n2 | no work to do | . | n2
make | Nothing to be done for .all | . | make -r
bmake | 0 lines | . | bmake -r
.
        floors
        echo "a process | - | . | true"
    } | race "$1" "$(turns_for "$nodes")" -s
}

scenario_nothing()
{
    for hours in $(sizes '1 24 744 8760' '87600 876000'); do
        tree made flights "$hours"
        section "nothing to do: $hours hours x 3 stages = $nodes nodes"
        look_at_all "nothing/$hours"
    done
}

# As after the cache was deleted: each marker is read.
scenario_first()
{
    for hours in $(sizes 8760 87600); do
        tree made flights "$hours"
        section "nothing to do, and no cache: $hours hours x 3 stages"
        {
            echo "stagegraph | Nothing to do: $(commas "$nodes") fresh | . | stagegraph -f uncached.ini plan"
            echo "stagegraph, cached | Nothing to do: | . | stagegraph -f graph.ini plan"
            floors
        } | race "first/$hours" "$(turns_for "$nodes")" -s
    done
}

# An hour that nothing has made, somewhere in the middle: the plan of its three nodes.
scenario_missing()
{
    for hours in $(sizes 8760 87600); do
        tree made flights "$hours"
        section "an hour missing: $hours hours x 3 stages"
        in_middle "$hours"
        for name in bronze silver gold; do
            mv "store/$name/dt-$day/hr-$hour" "$name-aside"
        done
        grep -v "dt-$day/hr-$hour/" list >rest
        stagegraph -f graph.ini plan >/dev/null
        {
            cat <<.
stagegraph | To run 3 nodes in 3 jobs, $(commas $((nodes - 3))) fresh | . | stagegraph -f graph.ini plan
ninja | 3 lines | . | ninja -n
samu | 3 lines | . | samu -f samu.ninja -n
make | 3 lines | . | make -r -n
bmake | 3 lines | . | bmake -r -n
.
            echo "stat on all $cpus cores | - | . | bench_floor -j $cpus stat rest"
        } | race "missing/$hours" "$(turns_for "$nodes")" -s
        for name in bronze silver gold; do
            rm -rf "store/$name/dt-$day/hr-$hour" # ninja makes a directory even when it runs nothing
            mv "$name-aside" "store/$name/dt-$day/hr-$hour"
        done
    done
}

# All of silver is to be made again, and gold behind it. ninja and make see that the file is newer.
scenario_code()
{
    for hours in $(sizes 8760 87600); do
        tree made coded "$hours"
        stagegraph -f graph.ini plan >/dev/null
        section "the code of silver changed: $hours hours x 3 stages"
        cp -p silver.code aside
        echo two >silver.code
        lines=$((2 * hours))
        {
            cat <<.
stagegraph | To run $(commas $lines) nodes in $(commas $lines) jobs, $(commas "$hours") fresh | . | stagegraph -f graph.ini plan
ninja | $lines lines | . | ninja -n
samu | $lines lines | . | samu -f samu.ninja -n
make | $lines lines | . | make -r -n
bmake | $lines lines | . | bmake -r -n
.
            echo "stat on all $cpus cores | $nodes of $nodes | . | bench_floor -j $cpus stat list"
        } | race "code/$hours" "$(turns_for "$nodes")" -s
        cp -p aside silver.code
    done
}

# One node's reason, after the code of silver changed.
scenario_explain()
{
    for hours in $(sizes 8760 87600); do
        tree made coded "$hours"
        in_middle "$hours"
        target=store/silver/dt-$day/hr-$hour/_SUCCESS
        section "why is one node to run: $hours hours x 3 stages"
        cp -p silver.code aside
        echo two >silver.code
        race "explain/$hours" 21 -s <<.
stagegraph | silver.code | . | stagegraph -f graph.ini explain silver@${day}T$hour
ninja | silver.code | . | ninja -n -d explain $target
samu | silver.code | . | samu -f samu.ninja -n -d explain $target
make | silver.code | . | make -r -n --debug=b $target
a process | - | . | true
.
        cp -p aside silver.code
    done
}

# The newest hour and the 24 before it, with everything behind them.
scenario_hourly()
{
    for hours in $(sizes '25 8760' '87600 876000'); do
        tree made flights "$hours"
        section "the newest 25 hours of $hours x 3 stages"
        stagegraph -f graph.ini plan >/dev/null
        targets=$(sed -n '/gold/p' list | tail -n 25 | tr '\n' ' ')
        tail -n 75 list >newest # as many as are looked at
        race "hourly/$hours" 21 -s <<.
stagegraph | Nothing to do: 75 fresh | . | stagegraph -f graph.ini hourly -n
ninja | no work to do | . | ninja $targets
samu | nothing to do | . | samu -f samu.ninja $targets
n2 | no work to do | . | n2 $targets
make | is up to date | . | make -r $targets
stat of 75 markers | 75 of 75 | . | bench_floor stat newest
a process | - | . | true
.
    done
}

# ---- other shapes

scenario_day()
{
    for hours in $(sizes 8760 87600); do
        tree made day "$hours"
        section "nothing to do, gold a day of 24 hours of silver: $hours hours, $nodes nodes"
        look_at_all "day/$hours"
    done
}

scenario_chain()
{
    for hours in $(sizes 8760 87600); do
        tree made chain "$hours"
        section "nothing to do, each silver stands on the one before: $hours hours x 3 stages"
        look_at_all "chain/$hours"
    done
}

scenario_window()
{
    for hours in $(sizes 744 8760); do
        tree made window "$hours"
        section "nothing to do, each silver stands on 168 hours of bronze: $hours hours x 3 stages"
        look_at_all "window/$hours"
    done
}

# windows_race KEY WANTED COMMAND...: of that many hours, each silver on one, 168, and 8,760 of bronze.
windows_race()
{
    key=$1 wanted=$2
    shift 2
    for lo in 0 167 8759; do
        [ -d "$dir/windows-$lo" ] || (
            mkdir "$dir/windows-$lo"
            cd "$dir/windows-$lo"
            # shellcheck disable=SC2034 # of stage
            touch=false
            { graph && stage bronze && stage silver "bronze@-$lo..0"; } >graph.ini
        )
        echo "windows of $((lo + 1)) | $wanted | ../windows-$lo | $*"
    done | race "$key/$hours" 9
}

# Nothing is made, so nothing is read: what is left is what a window costs. A run that stops at its
# first node has all of its jobs blocked.
scenario_windows()
{
    cat >"$dir/bin/stops" <<'.'
#!/bin/sh
stagegraph -f graph.ini run -q -k 1 --no-log >/dev/null 2>&1 || [ $? -eq 1 ]
.
    chmod +x "$dir/bin/stops"
    mkdir -p "$dir/windows"
    cd "$dir/windows"
    for hours in $(sizes 87600 876000); do
        STAGEGRAPH_NOW=$(date -u -d "@$(at "$hours")" +%Y-%m-%dT%H:%M:%SZ)
        export STAGEGRAPH_NOW
        section "windows, all of $hours hours x 2 stages missing: a plan"
        windows_race windows "To run $(commas $((2 * hours))) nodes" stagegraph -f graph.ini plan
        section "    a run that stops at its first node"
        windows_race windows-run - stops
    done
}

# The questions of each hour to a history of a million attempts, beside one of 10,000.
scenario_history()
{
    unset STAGEGRAPH_NOW || :
    for runs in 100 10000; do
        [ -d "$dir/history-$runs" ] || bench_history "$dir/history-$runs" "$runs" >/dev/null
    done
    for question in history 'history --stage gold' 'history --failed' 'history --summary' \
        status 'plan --last 24h'; do
        section "$question, of 100 and of 10,000 runs of 100 attempts"
        race "history/$(echo "$question" | tr ' ' '_')" 21 <<.
100 runs | - | $dir/history-100 | stagegraph $question
10,000 runs | - | $dir/history-10000 | stagegraph $question
.
    done
}

scenario_mixed()
{
    for hours in $(sizes 1488 87600); do
        tree made mixed "$hours"
        section "nothing to do, ten minutes, hours, days, weeks, months: $hours hours, $nodes nodes"
        look_at_all "mixed/$hours"
    done
}

scenario_wide()
{
    for hours in $(sizes 48 480); do
        tree made wide "$hours"
        section "nothing to do, 200 stages with three needs each: $hours hours, $nodes nodes"
        look_at_all "wide/$hours"
    done
}
