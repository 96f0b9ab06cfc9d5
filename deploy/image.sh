#!/usr/bin/env bash
# Make a small image without any registry: static busybox and links to its applets.
#   image.sh NAME:TAG [ARCHIVE.tar]   into the engine of $DOCKER_HOST, or as a `docker save` archive
set -euo pipefail
name=$1
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root"/{bin,etc,tmp,proc,sys,dev,root,www,var/run}
cp /bin/busybox "$root/bin/busybox"
for applet in $(/bin/busybox --list); do
    [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
done
echo 'root:x:0:0:root:/root:/bin/sh' >"$root/etc/passwd"
echo 'root:x:0:' >"$root/etc/group"
chmod 1777 "$root/tmp"
tar -C "$root" --numeric-owner --owner=0 --group=0 -c . |
    docker import --change 'ENV PATH=/bin' --change 'CMD ["sh"]' - "$name" >/dev/null
[ -z "${2:-}" ] || docker save -o "$2" "$name"
