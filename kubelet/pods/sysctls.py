"""Which kernel parameters a pod may set: safe ones, and those that `--allowed-unsafe-sysctls` names. Pure.

Source: upstream's pkg/kubelet/sysctl (safe_sysctls.go, allowlist.go, namespace.go).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from wherry.api.core_v1 import Pod

FORBIDDEN = "SysctlForbidden"
# Each has a value of its own per network or IPC namespace and harms nobody outside of it.
SAFE = frozenset({
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
})  # fmt: skip
_NAME = re.compile(r"[a-z0-9](?:[-_a-z0-9]*[a-z0-9])?(?:[./][a-z0-9](?:[-_a-z0-9]*[a-z0-9])?)*")


def dotted(name: str) -> str:
    """`net/ipv4/conf/eth0.5/x` and `net.ipv4.conf.eth0/5.x` mean the same: the first sign separates."""
    for sign in name:
        if sign == ".":
            return name
        if sign == "/":
            return name.translate(str.maketrans("./", "/."))
    return name


def namespace_of(name: str) -> str:
    """`net` or `ipc`: what isolates this parameter; empty when nothing does."""
    if name.startswith("net."):
        return "net"
    if name.startswith(("kernel.shm", "kernel.msg", "fs.mqueue.")) or name == "kernel.sem":
        return "ipc"
    return ""


def problem_of_pattern(pattern: str) -> str:
    """Why a value of `--allowed-unsafe-sysctls` can't be used; empty when it can."""
    name = dotted(pattern)
    if not _NAME.fullmatch(name.removesuffix("*").rstrip(".") or "*"):
        return f"sysctl {pattern!r} is no name of a kernel parameter"
    if not namespace_of(name):
        return f"the sysctls {pattern!r} are not known to be namespaced"
    return ""


def refusal(pod: Pod, unsafe: Sequence[str]) -> tuple[str, str] | None:
    """(reason, message) when the pod asks for a parameter that it may not set here."""
    context = pod.spec.security_context
    for sysctl in context.sysctls if context is not None else ():
        problem = _problem(pod, dotted(sysctl.name), unsafe)
        if problem:
            return FORBIDDEN, f'forbidden sysctl: "{dotted(sysctl.name)}" {problem}'
    return None


def _problem(pod: Pod, name: str, unsafe: Sequence[str]) -> str:
    if name not in SAFE and not any(_matches(name, dotted(pattern)) for pattern in unsafe):
        return "not allowlisted"
    match namespace_of(name):
        case "net" if pod.spec.host_network:
            return "not allowed with host net enabled"
        case "ipc" if pod.spec.host_ipc:
            return "not allowed with host ipc enabled"
    return ""


def _matches(name: str, pattern: str) -> bool:
    if pattern.endswith("*"):
        return name.startswith(pattern.removesuffix("*"))
    return name == pattern
