#!/usr/bin/env bash
# Stand-ins for the images that docker-compose.yml names, made of Debian's packages and a wheel,
# for machines that reach no image registry. Needs root, mmdebstrap and the engine of DOCKER_HOST;
# an image that the engine has already is left alone.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sources=${STAND_IN_SOURCES:-/etc/apt/sources.list.d/debian.sources}
# Builds trust the certificates that this machine trusts.
export CA=${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}

pinned() { # the image of docker-compose.yml or the Dockerfile whose name is this
    grep -ohE "(image: |IMAGE=)$1:[A-Za-z0-9._-]+" \
        "$here/../../docker-compose.yml" "$here/../../deploy/docker/Dockerfile" | sed 's/^.*[ =]//'
}

import() { # image packages hook options-of-import...
    local image=$1 packages=$2 hook=$3
    shift 3
    docker image inspect "$image" >/dev/null 2>&1 && return
    echo "making a stand-in for $image"
    mmdebstrap --quiet --variant=minbase --include="$packages" \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' --customize-hook="$hook" \
        --customize-hook='rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*.bin' \
        bookworm "$work/root.tar" "$sources"
    docker import "$@" --change 'ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin' \
        "$work/root.tar" "$image" >/dev/null
    rm "$work/root.tar"
}

import "$(pinned python)" python3,python3-venv,python3-pip,ca-certificates '
    rm -f "$1"/usr/lib/python3.*/EXTERNALLY-MANAGED
    for name in python python3 python3.11; do ln -sf /usr/bin/python3.11 "$1/usr/local/bin/$name"; done
    cp -L "$CA" "$1/etc/ssl/certs/ca-certificates.crt"'
# Boxes: what the image takes of Ubuntu, Debian has under the same names.
import "ubuntu:$(sed -n 's/^ARG UBUNTU=//p' "$here/../../deploy/jetson/Dockerfile")" ca-certificates true
import "$(pinned redis)" redis-server,redis-tools '
    mkdir -p "$1/data" && chroot "$1" chown redis:redis /data'
import "$(pinned haproxy)" haproxy '
    mkdir -p "$1/usr/local/etc/haproxy"' \
    --change 'CMD ["haproxy", "-W", "-db", "-f", "/usr/local/etc/haproxy/haproxy.cfg"]'
export WEED=${WEED:-$here/../../.venv/bin/weed}
import "$(pinned chrislusf/seaweedfs)" ca-certificates,busybox '
    cp -L "$WEED" "$1/usr/local/bin/weed" && ln -s /usr/bin/busybox "$1/usr/bin/wget" && mkdir -p "$1/data"' \
    --change 'ENTRYPOINT ["weed"]'
import "$(pinned prom/prometheus)" prometheus,busybox '
    ln -s /usr/bin/busybox "$1/usr/bin/wget" && mkdir "$1/prometheus"
    chroot "$1" chown nobody:nogroup /prometheus' \
    --change 'USER nobody' --change 'WORKDIR /prometheus' --change 'ENTRYPOINT ["/bin/prometheus"]'
