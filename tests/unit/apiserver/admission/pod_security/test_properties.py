"""What holds for any pod: nothing breaks a check, and the stricter level never lets in more."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from apiserver.admission.pod_security.levels import Standard
from apiserver.admission.pod_security.standards import NEWEST, details, reasons, violations

names = st.sampled_from(["a", "b", "c"])
maybe = st.one_of(st.none(), st.booleans())


def some(fields: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Any of the fields; what was None is not there, as in a stored object."""
    return st.fixed_dictionaries({}, optional=fields).map(
        lambda tree: {key: value for key, value in tree.items() if value is not None}
    )


profile = some({"type": st.sampled_from(["RuntimeDefault", "Localhost", "Unconfined"])})
selinux = some(
    {"type": st.sampled_from(["", "container_t", "container_engine_t", "spc_t"]), "user": names}
)
capability = st.lists(st.sampled_from(["ALL", "CHOWN", "NET_RAW", "NET_BIND_SERVICE"]), max_size=2)
common = {
    "runAsNonRoot": maybe,
    "runAsUser": st.sampled_from([None, 0, 1]),
    "seccompProfile": profile,
    "appArmorProfile": profile,
    "seLinuxOptions": selinux,
    "windowsOptions": some({"hostProcess": maybe}),
}
context = some(
    {
        **common,
        "privileged": maybe,
        "allowPrivilegeEscalation": maybe,
        "procMount": st.sampled_from([None, "Default", "Unmasked"]),
        "capabilities": some({"add": capability, "drop": capability}),
    }
)
handler = some(
    {
        "httpGet": some({"host": st.sampled_from(["", "h"])}),
        "tcpSocket": some({"host": st.sampled_from(["", "h"])}),
        "exec": st.just({"command": ["x"]}),
    }
)
container = st.fixed_dictionaries(
    {"name": names},
    optional={
        "securityContext": context,
        "ports": st.lists(some({"hostPort": st.sampled_from([None, 0, 80])}), max_size=2),
        "livenessProbe": handler,
        "lifecycle": some({"preStop": handler}),
    },
)
volume = st.builds(
    lambda name, kind: {"name": name, kind: {}},
    names,
    st.sampled_from(["emptyDir", "hostPath", "nfs", "secret", "image", "projected"]),
)
sysctl = st.sampled_from(["kernel.shm_rmid_forced", "net.ipv4.tcp_rmem", "kernel.panic"])
spec = st.fixed_dictionaries(
    {"containers": st.lists(container, min_size=1, max_size=2)},
    optional={
        "initContainers": st.lists(container, max_size=1),
        "ephemeralContainers": st.lists(container, max_size=1),
        "volumes": st.lists(volume, max_size=2),
        "hostNetwork": st.booleans(),
        "hostUsers": st.booleans(),
        "os": some({"name": st.sampled_from(["linux", "windows"])}),
        "securityContext": some(
            {
                **common,
                "sysctls": st.lists(st.builds(lambda name: {"name": name}, sysctl), max_size=2),
            }
        ),
    },
)
metadata = some(
    {
        "annotations": st.dictionaries(
            st.sampled_from(
                [
                    "container.apparmor.security.beta.kubernetes.io/a",
                    "seccomp.security.alpha.kubernetes.io/pod",
                    "container.seccomp.security.alpha.kubernetes.io/a",
                ]
            ),
            st.sampled_from(["unconfined", "runtime/default", "localhost/x"]),
        )
    }
)
minors = st.integers(0, NEWEST + 2)


@given(metadata, spec, minors)
def test_what_the_restricted_level_lets_in_the_baseline_lets_in(
    metadata: dict[str, Any], spec: dict[str, Any], minor: int
) -> None:
    version = f"v1.{minor}"
    restricted = violations(Standard("restricted", version), metadata, spec)
    baseline = violations(Standard("baseline", version), metadata, spec)
    if baseline:
        assert restricted, details(baseline)
    assert violations(Standard("privileged", version), metadata, spec) == ()


@given(metadata, spec, minors)
def test_every_violation_says_what_and_who(
    metadata: dict[str, Any], spec: dict[str, Any], minor: int
) -> None:
    found = violations(Standard("restricted", f"v1.{minor}"), metadata, spec)
    assert all(one.reason and one.detail for one in found)
    assert len({one.reason for one in found}) == len(found)
    assert reasons(found) == ", ".join(one.reason for one in found)


@given(metadata, spec)
def test_nothing_is_changed(metadata: dict[str, Any], spec: dict[str, Any]) -> None:
    before = repr((metadata, spec))
    violations(Standard("restricted"), metadata, spec)
    assert repr((metadata, spec)) == before
