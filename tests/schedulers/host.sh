# host.sh: read by a test in namespaces of its own (mounts, processes), it makes of the machine one as
# the examples for cron and systemd expect it: stagegraph in /usr/local/bin, users with a graph each.
#
# Whatever runs here as root sees the machine read-only, and an empty directory for each that is
# written to: a systemd that starts up would otherwise clear the machine's own /tmp. The test goes on
# in /run/test, with copies of what it needs.
# shellcheck shell=bash

# layout NAME…: the machine, with these users.
layout()
{
    local dir name uid=61000
    mount --make-rprivate / || exit 1
    mount -t tmpfs -o mode=755 tmpfs /run || exit 1
    mkdir -p /run/test/programs /run/test/examples /run/test/here /run/lock /run/log || exit 1
    cp "$TEST_DIR"/* /run/test/programs/ && cp "$EXAMPLES"/* /run/test/examples/ &&
        cp "$(dirname "$0")"/*.sh /run/test/here/ && cp /etc/passwd /etc/shadow /etc/group /run/test/ &&
        cp "$STAGEGRAPH_BIN" "${STAGEGRAPH_BIN%/*}/stagegraph-shim" /run/test/ || exit 1
    cd /run/test || exit 1
    TEST_DIR=/run/test/programs EXAMPLES=/run/test/examples PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
    export TEST_DIR EXAMPLES PATH
    for dir in /tmp /var/tmp /srv /home /root /usr/local /var/log /var/lib/systemd /var/spool; do
        [ -d "$dir" ] || continue
        mount -t tmpfs -o mode=755 tmpfs "$dir" || exit 1
    done
    for name; do
        echo "$name:x:$((++uid)):$uid::/srv/$name:/bin/sh" >>passwd
        echo "$name:*:19000:0:99999:7:::" >>shadow
        echo "$name:x:$uid:" >>group
        mkdir -p "/srv/$name/graphs"
    done
    for name in passwd shadow group; do mount --bind $name /etc/$name || exit 1; done
    for dir in / /dev /sys; do
        mountpoint -q $dir || mount --bind $dir $dir || exit 1
        mount -o remount,bind,ro $dir || exit 1
    done
    mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys || exit 1
    for dir in /etc /usr /var /dev /proc/sys/kernel; do
        ! touch "$dir/written" 2>/dev/null || { rm -f "$dir/written"; echo "$dir can be written to"; exit 1; }
    done
    chmod 1777 /tmp /var/tmp
    mkdir -p /usr/local/bin /usr/local/libexec && mkdir -m 1777 /var/log/stagegraph || exit 1
    mv stagegraph stagegraph-shim /usr/local/libexec/
    # shellcheck disable=SC2016
    # The program's clock is the file "now" beside the graph.
    sed 's,"$STAGEGRAPH_BIN",/usr/local/libexec/stagegraph,' programs/stagegraph >/usr/local/bin/stagegraph
    chmod 755 /usr/local/bin/stagegraph
}

# of NAME: from here on the graph is that of NAME.
of()
{
    owner=$1 W=/srv/$1/graphs
    export STAGEGRAPH_GRAPH=$W/hourly.ini
}
# owned COMMAND…: does it, and what it made is the user's.
owned() { "$@" && chown -R "$owner:" "/srv/$owner"; }
