#!/usr/bin/env bash
# Install the Debian packages that are missing. `packages.sh python` installs only what the
# virtual environment needs, `packages.sh node` what a machine that joins needs. Nothing is started:
# apt is told not to run new services, and Debian's etcd, which would take our ports at the next boot,
# stays off.
set -euo pipefail

missing=()
need() { # need PROGRAM PACKAGE
    command -v "$1" >/dev/null 2>&1 || missing+=("$2")
}

if [ "${1:-}" = python ]; then
    python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
else
    need dockerd docker.io
    [ "${1:-}" = node ] || need etcd etcd-server
    need nft nftables
    need iptables iptables
    need conntrack conntrack
    need ip iproute2
    need curl curl
    need sysctl procps
    [ -x /bin/busybox ] && ! ldd /bin/busybox >/dev/null 2>&1 || missing+=(busybox-static)
    { [ -x /usr/lib/cni/bridge ] || [ -x /opt/cni/bin/bridge ]; } ||
        missing+=(containernetworking-plugins)
    [ "${1:-}" = node ] || need kubectl kubernetes-client
fi

[ ${#missing[@]} -eq 0 ] && exit 0
if [ "$(id -u)" != 0 ]; then
    echo "missing: ${missing[*]}" >&2
    echo "fix: sudo apt-get install ${missing[*]}" >&2
    exit 1
fi
echo "installing ${missing[*]}"
if [ ! -e /usr/sbin/policy-rc.d ]; then # 101: "not allowed", which apt takes for a no
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod +x /usr/sbin/policy-rc.d
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
case " ${missing[*]} " in
*" etcd-server "*) command -v systemctl >/dev/null 2>&1 && systemctl --quiet disable etcd 2>/dev/null || true ;;
esac
