# shellcheck shell=bash
# systemd: graphs/hourly/schedulers/stagegraph-hourly.{service,timer} with a real systemd, the first
# process of namespaces of its own, and its journal. Of the machine's units it has the journal's alone.
here=$(dirname "$0")
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$here/lib.sh"
# shellcheck source-path=SCRIPTDIR source=host.sh
. "$here/host.sh"
unit=stagegraph-hourly

# Outside: starts that systemd, waits for the end of the tests that run under it, and ends it.
if [ -z "${1-}" ]; then
    [ -x /lib/systemd/systemd ] || { echo "there is no systemd: apt-get install systemd"; exit 1; }
    groups=/sys/fs/cgroup
    [ ! -d $groups/systemd ] || groups="$groups/systemd $groups/unified"
    for group in $groups; do
        mkdir -p "$group/stagegraph-test" && echo $$ >"$group/stagegraph-test/cgroup.procs" || exit 1
    done
    mkfifo ended
    exec 4<>ended
    unshare --pid --fork --mount --cgroup --uts --ipc --net --mount-proc --kill-child \
        bash "$0" boot </dev/null &
    systemd=$!
    until read -r -t 1 _ <&4 || ! kill -0 $systemd 2>/dev/null; do :; done
    kill -KILL $systemd 2>/dev/null
    wait $systemd 2>/dev/null
    for group in $groups; do
        echo $$ >"$group/cgroup.procs"
        within 10 find "$group/stagegraph-test" -depth -type d -exec rmdir {} + 2>/dev/null
    done
    exit 0
fi

# The first process: lays out the machine, and becomes systemd.
if [ "$1" = boot ]; then
    layout flights
    v1=$(grep name=systemd /proc/self/cgroup)
    mount -t tmpfs tmpfs /sys/fs/cgroup || exit 1
    if [ -n "$v1" ]; then
        mkdir /sys/fs/cgroup/systemd /sys/fs/cgroup/unified
        mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd &&
            mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified || exit 1
    else
        mount -t cgroup2 cgroup2 /sys/fs/cgroup || exit 1
    fi
    cp /lib/systemd/system/systemd-journald.{service,socket} .
    for dir in /etc/systemd /usr/lib/systemd/system /usr/lib/systemd/system-generators; do
        [ ! -d $dir ] || mount -t tmpfs -o mode=755 tmpfs $dir || exit 1
    done
    mkdir -p /etc/systemd/system
    cp systemd-journald.* /usr/lib/systemd/system/
    printf '[Journal]\nStorage=volatile\nAudit=no\nReadKMsg=no\n' >/etc/systemd/journald.conf
    for target in sysinit basic timers shutdown; do
        printf '[Unit]\nDefaultDependencies=no\n' >/usr/lib/systemd/system/$target.target
    done
    # That one unit names the other keeps what is known of it when it has ended well.
    printf '[Unit]\nWants=systemd-journald.service\nAfter=systemd-journald.service\nBefore=%s\n' \
        $unit.service >/usr/lib/systemd/system/test.target
    cp "$EXAMPLES/$unit.service" "$EXAMPLES/$unit.timer" /etc/systemd/system/
    mkdir -p /run/systemd/system
    (
        setsid bash here/systemd_test.sh tests 2>&1
        echo >&4
    ) &
    export container=test
    exec /lib/systemd/systemd --system --unit=test.target --log-target=null --show-status=no
fi

of flights
show() { systemctl show -P "$1" $unit.service; }
is() { [ "$(show "$1")" = "$2" ]; }
logged() { journalctl --quiet --output=cat -u $unit.service | grep -qxF "$1"; }
succeeded() { is ActiveState inactive && is Result success && [ "$(show ExecMainExitTimestampMonotonic)" != 0 ]; }

up() { systemctl is-active --quiet test.target 2>/dev/null; }
within 30 up
expect "what systemd-analyze says" \
    "$(systemd-analyze verify "/etc/systemd/system/$unit.service" "/etc/systemd/system/$unit.timer" 2>&1)" ""
expect "the unit" "$(show LoadState)" loaded
verdict the_units_are_valid

# At the last start that was due, this machine was off.
owned world ok
mkdir -p /var/lib/systemd/timers
touch -d '3 hours ago' /var/lib/systemd/timers/stamp-$unit.timer
systemctl start $unit.timer
within 30 succeeded
expect "the hours" "$(made)" "01 02 03 04"
expect "the next start" "$(systemctl show -P NextElapseUSecRealtime $unit.timer)" "*:07:00 UTC"
systemctl stop $unit.timer
verdict the_timer_makes_up_for_a_start_that_was_missed

owned next_hour 07 08:10 ok
owned land 05 06
systemctl start $unit
expect "the hours" "$(made)" "01 02 03 04 05 06 07"
verdict missed_hours_are_made_by_the_next_run

owned next_hour 08 09:10 wait
systemctl start --no-block $unit
within 30 logged "hour 08 begins"
expect "the state" "$(show ActiveState)" activating
touch "$W/go"
within 30 is ActiveState inactive
within 10 logged "hour 08 is done"
verdict output_is_in_the_journal_while_the_job_runs

# ends CASE STATUS: how a start ends: systemctl's status, stagegraph's, systemd's word and the state.
ends()
{
    local status=0
    owned world "$1"
    systemctl start $unit 2>/dev/null || status=$?
    expect "$1" "$status $(show ExecMainStatus) $(show Result) $(show ActiveState)" "$2"
    systemctl reset-failed $unit 2>/dev/null
}
ends ok "0 0 success inactive"
ends nothing "0 0 success inactive"
verdict a_run_that_does_its_hours_or_has_nothing_to_do_is_a_success
ends failed "1 1 exit-code failed"
ends timeout "1 5 exit-code failed"
ends usage "1 2 exit-code failed"
verdict a_failed_node_a_timeout_and_a_wrong_graph_file_are_failures_that_are_not_tried_again
ends blocked "0 3 success inactive"
ends busy "0 4 success inactive"
verdict an_hour_that_is_not_there_or_held_by_another_run_is_a_success

# For the rest, five minutes are a second.
mkdir -p /run/systemd/system/$unit.service.d
printf '[Service]\nRestartSec=1\n' >/run/systemd/system/$unit.service.d/soon.conf
systemctl daemon-reload
for case in store system; do
    owned world $case
    systemctl start --no-block $unit
    within 30 is SubState auto-restart
    expect "the state" "$(show ActiveState)" activating
    owned mend
    within 30 succeeded
    expect "the hours" "$(made)" "01 02 03 04"
done
verdict a_store_that_is_away_and_a_machine_without_room_are_tried_again

owned world nothing
owned next_hour 05 06:10 jvm
systemctl start --no-block $unit
running
systemctl stop $unit
expect "what is left" "$(processes)$(claims)" ""
sleep 2
expect "what was started again" "$(processes)" ""
verdict a_stop_leaves_no_process_and_no_claim
systemctl reset-failed $unit 2>/dev/null
owned next_hour 06 07:10 ok
systemctl start $unit
expect "the hours" "$(made)" "01 02 03 04 05 06"
verdict the_hour_that_was_stopped_is_made_by_the_next_run

owned next_hour 07 08:10 stubborn
systemctl start --no-block $unit
running
systemctl stop $unit
expect "what is left" "$(processes)$(claims)" ""
verdict a_job_that_ignores_SIGTERM_is_ended_by_a_stop

owned next_hour 08 09:10 jvm
systemctl start --no-block $unit
running
jvm=$(the java)
owned mode ok
kill -KILL "$(the stagegraph)"
within 30 test ! -e "/proc/$jvm"
within 30 succeeded
all_gone
expect "the hours" "$(made)" "01 02 03 04 05 06 07 08"
verdict a_run_that_is_killed_leaves_no_process_and_is_started_again
echo "systemd: done"
