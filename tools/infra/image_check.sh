#!/bin/sh
# Builds the Dockerfile without Docker and runs what came out: image_check.sh PYTHON
# Needs root, buildah and runc (Debian: apt-get install buildah runc); minutes, so nightly.
# PYTHON_IMAGE names the base. Without it a base is made by debootstrap, whose Python is Debian's:
# that proves the Dockerfile's steps, user, paths and entrypoint, not the real base.
# TARGETS says which images ("workflows task-runner" is the default; "agent" takes 3 GB more).
set -eu
cd "$(dirname "$0")/../.."
python=$1
. tools/infra/common.sh
work=$PWD/build/image-check
images="buildah --root $work/store --storage-driver overlay"

[ "$(id -u)" = 0 ] || stop "image-check: needs root; run: sudo make image-check"
need buildah "https://buildah.io (Debian: apt-get install buildah)"
need runc "https://github.com/opencontainers/runc (Debian: apt-get install runc)"
mkdir -p "$work"

timed() {  # NAME COMMAND...
    name=$1 begun=$(date +%s)
    shift
    "$@" >"$work/$name.log" 2>&1 || { tail -n 30 "$work/$name.log" >&2; stop "image-check: $name failed; see $work/$name.log"; }
    echo "ok      $name ($(($(date +%s) - begun)) s)"
}

make_base() {
    need debootstrap "https://wiki.debian.org/Debootstrap, or name a base: PYTHON_IMAGE=python:3.12-slim"
    base=localhost/python-stand-in
    $images inspect --type image "$base" >/dev/null 2>&1 && return
    rm -rf "$work/root"
    timed debootstrap debootstrap --variant=minbase --include=ca-certificates,python3,python3-venv,python3-pip \
        bookworm "$work/root" "${DEBIAN_MIRROR:-http://deb.debian.org/debian}"
    tar -C "$work/root" --numeric-owner -cf "$work/rootfs.tar" .
    printf 'FROM scratch\nADD rootfs.tar /\nRUN ln -s /usr/bin/python3 /usr/local/bin/python\n' >"$work/Dockerfile"
    timed base $images bud --isolation chroot --layers=false -t "$base" "$work"
    rm -rf "$work/root" "$work/rootfs.tar"
}

use_certificate() {  # where this machine's pip has a certificate of its own, the build needs it too
    cert=${PIP_CERT:-$("$python" -m pip config get global.cert 2>/dev/null || true)}
    mounts=""
    [ -n "$cert" ] || return 0
    mkdir -p "$work/ca"
    cp "$cert" "$work/ca/ca.crt"
    printf '[global]\ncert = /run/image-check/ca.crt\n' >"$work/ca/pip.conf"
    mounts="-v $work/ca:/run/image-check:ro -v $work/ca/pip.conf:/etc/pip.conf:ro"
}

base=${PYTHON_IMAGE:-}
pull=""
[ -n "$base" ] || { make_base; pull=--pull-never; }
use_certificate
echo "base: $base"
for target in ${TARGETS:-workflows task-runner}; do
    timed "build-$target" $images bud --isolation chroot --layers $pull $mounts \
        --build-arg "PYTHON_IMAGE=$base" --target "$target" -t "localhost/$target" .
    $images rm "check-$target" >/dev/null 2>&1 || true
    $images from --pull-never --name "check-$target" "localhost/$target" >/dev/null
    $images inspect --type image "localhost/$target" >"$work/$target.json"
    status=0
    "$python" -m tools.infra.image_run "$($images mount "check-$target")" "$work/$target.json" || status=$?
    $images umount "check-$target" >/dev/null
    $images rm "check-$target" >/dev/null
    [ "$status" = 0 ] || stop "image-check: $target failed"
done
