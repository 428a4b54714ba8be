#!/bin/sh
# Put a standalone bundle on this box as a service of systemd, or replace the one that is there.
#
#   sudo ./install.sh BUNDLE.pyz --server https://convq.example --group gate --token TOKEN
#
# --input is a folder that files are taken from (by default /var/lib/convq-edge/incoming) or
# http:PORT. Calling it again keeps the box's identity and the results that wait. --remove takes the
# service away and leaves /var/lib/convq-edge. DESTDIR puts everything below another root folder
# and starts nothing.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=${DESTDIR:-}
state=/var/lib/convq-edge
bundle='' server='' group='' token='' input=$state/incoming

usage() {
    sed -n '2,10s/^# \{0,1\}//p' "$0"
    exit 2
}

fail() {
    echo "error: $1" >&2
    exit 1
}

# Values go into a file that systemd reads line by line.
plain() {
    case $2 in
        *[!A-Za-z0-9:/._~@%+=,-]*) fail "$1: this character is not accepted in: $2" ;;
    esac
}

remove() {
    if [ -z "$root" ]; then
        systemctl disable --now convq-edge.service || true
    fi
    rm -rf "$root/etc/systemd/system/convq-edge.service" \
        "$root/etc/systemd/system/convq-edge.service.d" "$root/opt/convq-edge"
    if [ -z "$root" ]; then
        systemctl daemon-reload
    fi
    exit 0
}

while [ $# -gt 0 ]; do
    case $1 in
        --remove) remove ;;
        --server | --group | --token | --input)
            [ $# -gt 1 ] || usage
            name=${1#--}
            plain "$1" "$2"
            eval "$name=\$2"
            shift
            ;;
        -*) usage ;;
        *) bundle=$1 ;;
    esac
    shift
done

[ -n "$bundle" ] && [ -n "$server" ] && [ -n "$group" ] || usage
[ -f "$bundle" ] || fail "there is no such file: $bundle"
if [ -z "$root" ]; then
    [ "$(id -u)" = 0 ] || fail 'this needs root: sudo ./install.sh ...'
fi
python3 -c 'import sys, numpy; sys.exit(sys.version_info < (3, 6))' 2>/dev/null ||
    fail 'Python 3.6 or newer with NumPy is needed: apt-get install python3-numpy'

if [ -z "$root" ] && ! getent passwd convq-edge >/dev/null; then
    useradd --system --home-dir "$state" --shell /usr/sbin/nologin convq-edge
fi
mkdir -p "$root/opt/convq-edge" "$root/etc/systemd/system/convq-edge.service.d" "$root$state"
# Renamed into place: a power cut leaves the old program or the new one.
cp "$bundle" "$root/opt/convq-edge/.new"
sync
mv "$root/opt/convq-edge/.new" "$root/opt/convq-edge/convq-edge.pyz"
cp "$here/convq-edge.service" "$root/etc/systemd/system/convq-edge.service"

writable=$state
case $input in
    http | http:*) ;;
    *)
        mkdir -p "$root$input"
        writable="$writable $input"
        ;;
esac
printf '[Service]\nReadWritePaths=%s\n' "$writable" \
    >"$root/etc/systemd/system/convq-edge.service.d/input.conf"
(
    umask 077
    printf 'CONVQ_SERVER=%s\nCONVQ_GROUP=%s\nCONVQ_INPUT=%s\nCONVQ_TOKEN=%s\n' \
        "$server" "$group" "$input" "$token" >"$root/etc/convq-edge.env"
)
if [ -z "$root" ]; then
    chown -R convq-edge:convq-edge "$state"
    case $input in
        http | http:* | "$state"/*) ;;
        *) chgrp convq-edge "$input" && chmod g+rwx "$input" ;;
    esac
    systemctl daemon-reload
    systemctl enable convq-edge.service
    systemctl restart convq-edge.service
    systemctl --no-pager status convq-edge.service
fi
