"""Has the proxy's certificate renewed on a machine that has joined: `python -m deploy.renewing FILE`.

The kubelet renews its own; the proxy has no way to ask, so the node asks for it. Run by the supervisor
(or a systemd timer) now and then.
"""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

from deploy import csr
from deploy.member import Member, is_good
from deploy.nodes import connect
from deploy.pki import load_bundle
from deploy.preflight import Problem
from deploy.rotation import RENEW_SHARE


def renew(member: Member) -> bool:
    """Whether a new certificate was due and made. Problem when it was due and refused."""
    pair = member.proxy_pair
    if is_good(pair, member.proxy_subject, member.ca, _margin(pair.certificate)):
        return False
    with connect(member.kubeconfig) as client:
        member.write_proxy(csr.obtain(client, csr.PROXY_CLIENT, member.proxy_subject))
    return True


def _margin(certificate: Path) -> timedelta:
    """How long before its end a certificate is renewed."""
    try:
        held = load_bundle(certificate)[0]
    except (OSError, ValueError):
        return timedelta()
    return (held.not_valid_after_utc - held.not_valid_before_utc) * RENEW_SHARE


def main(file: Path) -> int:
    member = Member.read(file.parent)
    if member is None:
        sys.stderr.write(f"certificates: {file} is gone\n")
        return 1
    try:
        done = renew(member)
    except Problem as problem:
        sys.stderr.write(f"certificates: {problem.cause}\n")
        return 1
    if done:
        sys.stderr.write("certificates: the proxy has a new one\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
