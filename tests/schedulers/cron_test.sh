# shellcheck shell=bash
# cron: graphs/hourly/schedulers/crontab with the real cron and a mail program that keeps what it is
# given. Only the minute of the line is another: every one.
if [ -z "${1-}" ]; then
    [ -x /usr/sbin/cron ] || { echo "there is no cron: apt-get install cron"; exit 1; }
    exec unshare --mount --net bash "$0" tests
fi
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=host.sh
. "$(dirname "$0")/host.sh"

users="flights nothing failed blocked store jvm stubborn"
# shellcheck disable=SC2086
layout $users
mkdir /var/spool/cron && mkdir -m 1730 /var/spool/cron/crontabs && chgrp crontab /var/spool/cron/crontabs
mkdir -m 1777 mail
mount -t tmpfs tmpfs /mnt && mkdir /mnt/upper /mnt/work
mount -t overlay -o lowerdir=/usr/sbin,upperdir=/mnt/upper,workdir=/mnt/work overlay /usr/sbin || exit 1
# shellcheck disable=SC2016
printf '#!/bin/sh\ncat >"/run/test/mail/$(id -un)"\n' >/usr/sbin/sendmail
chmod 755 /usr/sbin/sendmail

mailed() { sed '1,/^$/d' "mail/$1" 2>/dev/null; }
log() { cat "/var/log/stagegraph/$1.log"; }
for name in $users; do
    of "$name"
    case $name in
    flights) owned world ok ;;
    jvm | stubborn) owned world nothing && owned next_hour 05 06:10 "$name" ;;
    *) owned world "$name" ;;
    esac
    sed "s,^7 \*,* *,; s,/srv/flights,/srv/$name,; s,hourly\.log,$name.log," "$EXAMPLES/crontab" >table
    crontab -u "$name" table || expect "crontab $name" failed installed
done
expect "lines whose minute was changed" "$(grep -c '^\* \* \* \* \*  stagegraph hourly' table)" 1
cron -f &
cron=$!
of jvm
within 75 started
of stubborn
within 10 started
for name in failed store; do within 10 test -s mail/$name; done
# One minute is enough.
for name in $users; do crontab -u "$name" -r; done
of flights
expect "the hours" "$(made)" "01 02 03 04"
expect "the log" "$(log flights)" "*Total pipeline time*"
expect "the log" "$(log nothing)" "Nothing to do: 4 fresh*"
expect "the log" "$(log blocked)" "Nothing can run: 3 fresh, 1 blocked*"
expect "mail" "$(cd mail && echo *)" "failed store"
verdict a_run_that_needs_nobody_sends_no_mail
expect "its mail" "$(mailed failed)" "stagegraph hourly: exit status 1, see /var/log/stagegraph/failed.log"
expect "its mail" "$(mailed store)" "stagegraph hourly: exit status 74, see /var/log/stagegraph/store.log"
verdict a_failed_node_and_a_store_that_is_away_are_mailed

of jvm
running
expect "the log" "$(log jvm)" "*hour 05 begins*the JVM is up"
verdict output_is_in_the_log_while_the_job_runs
kill -TERM "$(the stagegraph)"
all_gone
within 10 test -s mail/jvm
expect "its mail" "$(mailed jvm)" "stagegraph hourly: exit status 143, see /var/log/stagegraph/jvm.log"
verdict a_run_that_is_ended_with_kill_leaves_no_process_and_no_claim

of stubborn
running
kill -KILL $cron
wait $cron 2>/dev/null
expect "JVMs that run" "$(the java | wc -l)" 1
kill -KILL "$(the stagegraph)"
no_process() { [ -z "$(processes)" ]; }
within 30 no_process
verdict cron_may_be_killed_and_a_run_that_is_killed_leaves_no_process

# The same line, as cron starts it.
of flights
owned next_hour 08 09:10 ok
owned land 06 07
line=$(sed -n 's/^7 \* \* \* \*  //p' "$EXAMPLES/crontab")
env -i HOME=/srv/flights LOGNAME=flights SHELL=/bin/sh PATH=/usr/local/bin:/usr/bin:/bin \
    STAGEGRAPH_GRAPH="$STAGEGRAPH_GRAPH" LOG=/var/log/stagegraph/again.log sh -c "$line" >out
expect "what it prints" "$(cat out)" ""
expect "the hours" "$(made)" "01 02 03 04 06 07 08"
verdict missed_hours_are_made_by_the_next_run
echo "cron: done"
