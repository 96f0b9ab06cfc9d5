"""Which kernel parameters a pod may set."""

import pytest

from kubelet.pods import sysctls
from wherry.api.core_v1 import Pod


def pod(name, **spec):
    context = {"sysctls": [{"name": name, "value": "1"}]}
    return Pod.from_wire({"spec": {"securityContext": context, **spec}})


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        pytest.param(pod("net.ipv4.tcp_syncookies"), "", id="safe"),
        pytest.param(pod("net/ipv4/tcp_syncookies"), "", id="slashes"),
        pytest.param(pod("kernel.msgmax"), "", id="allowed by its name"),
        pytest.param(pod("net.core.somaxconn"), "", id="allowed by a prefix"),
        pytest.param(pod("kernel.sem"), '"kernel.sem" not allowlisted', id="unsafe"),
        pytest.param(pod("vm.swappiness"), '"vm.swappiness" not allowlisted', id="the machine's"),
        pytest.param(
            pod("net.ipv4.tcp_syncookies", hostNetwork=True),
            '"net.ipv4.tcp_syncookies" not allowed with host net enabled', id="the machine's network",
        ),
        pytest.param(
            pod("kernel.msgmax", hostIPC=True),
            '"kernel.msgmax" not allowed with host ipc enabled', id="the machine's IPC",
        ),
    ],
)  # fmt: skip
def test_refusal(wanted, message):
    found = sysctls.refusal(wanted, ["kernel.msgmax", "net.core.*"])
    wish = ("SysctlForbidden", f"forbidden sysctl: {message}") if message else None
    assert found == wish


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("kernel/shm_rmid_forced", "kernel.shm_rmid_forced"),
        ("net/ipv4/conf/eth0.5/forwarding", "net.ipv4.conf.eth0/5.forwarding"),
        ("net.ipv4.conf.eth0/5.forwarding", "net.ipv4.conf.eth0/5.forwarding"),
    ],
)
def test_both_spellings(written, meant):
    assert sysctls.dotted(written) == meant


@pytest.mark.parametrize(
    ("pattern", "usable"),
    [
        ("kernel.msg*", True),
        ("net.*", True),
        ("vm.swappiness", False),
        ("*", False),
        ("A b", False),
    ],
)
def test_patterns_of_the_flag(pattern, usable):
    assert (sysctls.problem_of_pattern(pattern) == "") is usable
