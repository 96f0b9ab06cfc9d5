"""Every check of PodSecurity, in every version in which it changed, with upstream's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from apiserver.admission.pod_security.levels import Standard
from apiserver.admission.pod_security.standards import (
    BASELINE_RULES,
    NEWEST,
    RESTRICTED_RULES,
    checks_of,
    details,
    reasons,
    violations,
)
from apiserver.admission.pod_security.words import Violation

Tree = dict[str, Any]


def container(name: str, context: Tree | None = None, **fields: Any) -> Tree:
    found: Tree = {"name": name, **fields}
    return found if context is None else {**found, "securityContext": context}


def spec(*containers: Tree, context: Tree | None = None, **fields: Any) -> Tree:
    found: Tree = {"containers": list(containers), **fields}
    return found if context is None else {**found, "securityContext": context}


def told(
    level: str, version: str, spec: Tree, annotations: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Reason → detail."""
    found = violations(Standard(level, version), {"annotations": annotations or {}}, spec)
    return {one.reason: one.detail for one in found}


def v(minor: int) -> str:
    return f"v1.{minor}"


HARD: Tree = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}
WINDOWS: Tree = {"os": {"name": "windows"}}
OWN_USERS: Tree = {"hostUsers": False}


BASELINE: list[tuple[str, Tree, str, str]] = [
    (
        "host namespaces", spec(container("a"), hostNetwork=True, hostPID=True, hostIPC=True),
        "host namespaces", "hostNetwork=true, hostPID=true, hostIPC=true",
    ),
    (
        "one namespace", spec(container("a"), hostIPC=True), "host namespaces", "hostIPC=true",
    ),
    (
        "privileged", spec(
            container("a", {"privileged": False}), container("b", {"privileged": True}),
            initContainers=[container("i", {"privileged": True})],
            ephemeralContainers=[container("e", {"privileged": True})],
        ),
        "privileged",
        'containers "i", "b", "e" must not set securityContext.privileged=true',
    ),
    (
        "capabilities", spec(
            container("a", {"capabilities": {"add": ["NET_RAW", "CHOWN"]}}),
            container("b", {"capabilities": {"add": ["SYS_ADMIN", "NET_RAW"]}}),
            container("c", {"capabilities": {"add": ["CHOWN", "SYS_CHROOT"]}}),
        ),
        "non-default capabilities",
        'containers "a", "b" must not include "NET_RAW", "SYS_ADMIN" '
        "in securityContext.capabilities.add",
    ),
    (
        "host path", spec(container("a"), volumes=[
            {"name": "v", "hostPath": {"path": "/"}}, {"name": "w", "emptyDir": {}},
            {"name": "x", "hostPath": {"path": "/x"}},
        ]),
        "hostPath volumes", 'volumes "v", "x"',
    ),
    (
        "one host path", spec(container("a"), volumes=[{"name": "v", "hostPath": {"path": "/"}}]),
        "hostPath volumes", 'volume "v"',
    ),
    (
        "one host port", spec(
            container("a", ports=[{"containerPort": 1}]),
            container("b", ports=[{"containerPort": 1, "hostPort": 20}]),
        ),
        "hostPort", 'container "b" uses hostPort 20',
    ),
    (
        "host ports, sorted as texts", spec(
            container("a", ports=[{"hostPort": 20}, {"hostPort": 100}]),
            container("b", ports=[{"hostPort": 3}, {"hostPort": 20}]),
        ),
        "hostPort", 'containers "a", "b" use hostPorts 100, 20, 3',
    ),
    (
        "proc mount", spec(
            container("a", {"procMount": "Default"}), container("b", {"procMount": "Unmasked"}),
        ),
        "procMount", 'container "b" must not set securityContext.procMount to "Unmasked"',
    ),
    (
        "AppArmor, pod", spec(
            container("a"), context={"appArmorProfile": {"type": "Unconfined"}}
        ),
        "forbidden AppArmor profile", 'pod must not set AppArmor profile type to "Unconfined"',
    ),
    (
        "AppArmor, containers", spec(
            container("a", {"appArmorProfile": {"type": "Unconfined"}}),
            container("b", {"appArmorProfile": {"type": "Localhost"}}),
            context={"appArmorProfile": {"type": "RuntimeDefault"}},
        ),
        "forbidden AppArmor profile",
        'container "a" must not set AppArmor profile type to "Unconfined"',
    ),
    (
        "SELinux type, user and role", spec(
            container("a", {"seLinuxOptions": {"type": "container_t"}}),
            container("b", {"seLinuxOptions": {"type": "spc_t", "role": "r"}}),
            context={"seLinuxOptions": {"type": "foo_t", "user": "u"}},
        ),
        "seLinuxOptions",
        'pod and container "b" set forbidden securityContext.seLinuxOptions: '
        'types "foo_t", "spc_t"; user may not be set; role may not be set',
    ),
    (
        "SELinux user only", spec(container("a"), context={"seLinuxOptions": {"user": "u"}}),
        "seLinuxOptions",
        "pod set forbidden securityContext.seLinuxOptions: user may not be set",
    ),
    (
        "sysctls", spec(container("a"), context={"sysctls": [
            {"name": "z", "value": "1"}, {"name": "kernel.shm_rmid_forced", "value": "1"},
            {"name": "a", "value": "1"},
        ]}),
        "forbidden sysctls", "z, a",
    ),
    (
        "Windows host process", spec(
            container("a", {"windowsOptions": {"hostProcess": False}}),
            container("b", {"windowsOptions": {"hostProcess": True}}),
            context={"windowsOptions": {"hostProcess": True}},
        ),
        "hostProcess",
        'pod and container "b" must not set securityContext.windowsOptions.hostProcess=true',
    ),
]  # fmt: skip


class TestBaseline:
    @pytest.mark.parametrize(
        ("name", "pod", "reason", "detail"), BASELINE, ids=[one[0] for one in BASELINE]
    )
    @pytest.mark.parametrize("version", ["v1.0", "v1.18", "v1.25", "v1.36", "v1.99", "latest"])
    def test_forbidden(self, name: str, pod: Tree, reason: str, detail: str, version: str) -> None:
        assert told("baseline", version, pod) == {reason: detail}
        assert told("privileged", version, pod) == {}

    @pytest.mark.parametrize("minor", range(NEWEST + 3))
    def test_a_plain_pod_is_let_in(self, minor: int) -> None:
        assert told("baseline", v(minor), spec(container("a"))) == {}

    def test_app_armor_annotations(self) -> None:
        prefix = "container.apparmor.security.beta.kubernetes.io/"
        notes = {
            f"{prefix}a": "unconfined",
            f"{prefix}b": "runtime/default",
            f"{prefix}c": "localhost/x",
            f"{prefix}d": "",
            f"{prefix}e": "bogus",
            "env": "dev",
        }
        found = told("baseline", "latest", spec(container("a")), notes)
        assert found == {
            "forbidden AppArmor profiles": "annotations must not set AppArmor profile type to "
            f'"{prefix}a="unconfined"", "{prefix}e="bogus""'
        }
        both = spec(container("a", {"appArmorProfile": {"type": "Unconfined"}}))
        found = told("baseline", "latest", both, {f"{prefix}a": "unconfined"})
        assert found == {
            "forbidden AppArmor profiles": 'container "a" and annotation must not set AppArmor '
            f'profile type to "Unconfined", "{prefix}a="unconfined""'
        }

    def test_seccomp_is_an_annotation_before_19_and_a_field_after(self) -> None:
        pod_key = "seccomp.security.alpha.kubernetes.io/pod"
        key = "container.seccomp.security.alpha.kubernetes.io/a"
        notes = {pod_key: "unconfined", key: "unconfined", key[:-1] + "other": "unconfined"}
        pod = spec(
            container("a", {"seccompProfile": {"type": "Unconfined"}}),
            container("b", {"seccompProfile": {"type": "Localhost"}}),
            context={"seccompProfile": {"type": "Unconfined"}},
        )
        words = f'forbidden annotations {key}="unconfined", {pod_key}="unconfined"'
        assert told("baseline", v(18), pod, notes) == {"seccompProfile": words}
        fine = {pod_key: "docker/default", key: "localhost/x"}
        assert told("baseline", v(18), pod, fine) == {}
        words = (
            'pod and container "a" must not set securityContext.seccompProfile.type to "Unconfined"'
        )
        assert told("baseline", v(19), pod, notes) == {"seccompProfile": words}

    @pytest.mark.parametrize(
        ("name", "since"),
        [
            ("net.ipv4.ip_unprivileged_port_start", 0),
            ("net.ipv4.ip_local_reserved_ports", 27),
            ("net.ipv4.tcp_keepalive_time", 29),
            ("net.ipv4.tcp_fin_timeout", 29),
            ("net.ipv4.tcp_keepalive_intvl", 29),
            ("net.ipv4.tcp_keepalive_probes", 29),
            ("net.ipv4.tcp_rmem", 32),
            ("net.ipv4.tcp_wmem", 32),
        ],
    )
    def test_sysctls_by_version(self, name: str, since: int) -> None:
        pod = spec(container("a"), context={"sysctls": [{"name": name, "value": "1"}]})
        if since:
            assert told("baseline", v(since - 1), pod) == {"forbidden sysctls": name}
        assert told("baseline", v(since), pod) == told("baseline", "latest", pod) == {}

    def test_container_engine_t_since_31(self) -> None:
        pod = spec(container("a", {"seLinuxOptions": {"type": "container_engine_t"}}))
        words = (
            'container "a" set forbidden securityContext.seLinuxOptions: type "container_engine_t"'
        )
        assert told("baseline", v(30), pod) == {"seLinuxOptions": words}
        assert told("baseline", v(31), pod) == {}

    def test_hosts_of_probes_and_hooks_since_34(self) -> None:
        pod = spec(
            container(
                "b",
                livenessProbe={"httpGet": {"port": 1, "host": "h1"}},
                readinessProbe={"httpGet": {"port": 1, "host": ""}},
                lifecycle={"preStop": {"tcpSocket": {"port": 1, "host": "h2"}}},
            ),
            container("a", startupProbe={"tcpSocket": {"port": 1, "host": "h1"}}),
            container("c", livenessProbe={"exec": {"command": ["x"]}}),
        )
        words = 'containers "a", "b" use probe or lifecycle hosts "h1", "h2"'
        assert told("baseline", v(33), pod) == {}
        assert told("baseline", v(34), pod) == {"probe or lifecycle host": words}
        one = spec(container("a", lifecycle={"postStart": {"httpGet": {"host": "127.0.0.1"}}}))
        words = 'container "a" uses probe or lifecycle host "127.0.0.1"'
        assert told("baseline", "latest", one) == {"probe or lifecycle host": words}

    def test_proc_mount_in_a_user_namespace_since_35(self) -> None:
        pod = spec(container("a", HARD | {"procMount": "Unmasked"}), **OWN_USERS)
        assert "procMount" in told("baseline", v(34), pod)
        assert told("baseline", v(35), pod) == {}
        assert told("baseline", v(35), {**pod, "hostUsers": True}) != {}
        # The restricted level does not relax it.
        for version in (v(34), v(35), "latest"):
            assert list(told("restricted", version, pod)) == ["procMount"]


class TestRestricted:
    def test_a_hardened_pod_is_let_in_everywhere(self) -> None:
        by_containers = spec(container("a", HARD), initContainers=[container("i", HARD)])
        by_pod = spec(
            container("a", {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}),
            context={"runAsNonRoot": True, "seccompProfile": {"type": "Localhost"}},
        )
        for minor in range(NEWEST + 3):
            assert told("restricted", v(minor), by_containers) == {}
            assert told("restricted", v(minor), by_pod) == {}

    def test_what_a_plain_pod_lacks_by_version(self) -> None:
        plain = spec(container("a"))
        escalation, capabilities = "allowPrivilegeEscalation != false", "unrestricted capabilities"
        root, seccomp = "runAsNonRoot != true", "seccompProfile"
        for minor, expected in {
            0: [root], 7: [root], 8: [escalation, root], 18: [escalation, root],
            19: [escalation, root, seccomp], 21: [escalation, root, seccomp],
            22: [escalation, capabilities, root, seccomp],
            36: [escalation, capabilities, root, seccomp],
        }.items():  # fmt: skip
            assert list(told("restricted", v(minor), plain)) == expected, minor
        assert told("restricted", "latest", plain) == {
            escalation: 'container "a" must set securityContext.allowPrivilegeEscalation=false',
            capabilities: 'container "a" must set securityContext.capabilities.drop=["ALL"]',
            root: 'pod or container "a" must set securityContext.runAsNonRoot=true',
            seccomp: 'pod or container "a" must set securityContext.seccompProfile.type to '
            '"RuntimeDefault" or "Localhost"',
        }

    def test_capabilities(self) -> None:
        pod = spec(
            container("a", HARD | {"capabilities": {"add": ["FOO", "BAR"]}}),
            container("b", HARD | {"capabilities": {"add": ["BAR", "BAZ"], "drop": ["all"]}}),
            container(
                "c",
                HARD | {"capabilities": {"add": ["NET_BIND_SERVICE", "CHOWN"], "drop": ["ALL"]}},
            ),
            container("d", HARD | {"capabilities": {"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]}}),
        )
        assert told("restricted", "latest", pod) == {
            "unrestricted capabilities": 'containers "a", "b" must set '
            'securityContext.capabilities.drop=["ALL"]; containers "a", "b", "c" must not include '
            '"BAR", "BAZ", "CHOWN", "FOO" in securityContext.capabilities.add'
        }
        # Before v1.22 there was no such check: the baseline's held.
        assert list(told("restricted", v(21), pod)) == ["non-default capabilities"]

    def test_volumes(self) -> None:
        allowed = [
            {"name": kind, kind: {}}
            for kind in (
                "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image",
                "persistentVolumeClaim", "projected", "secret",
            )
        ]  # fmt: skip
        assert told("restricted", "latest", spec(container("a", HARD), volumes=allowed)) == {}
        bad = [
            *allowed,
            {"name": "h", "hostPath": {"path": "/"}},
            {"name": "n", "nfs": {"server": "s", "path": "/"}},
            {"name": "m", "nfs": {"server": "s", "path": "/"}},
        ]
        words = 'volumes "h", "n", "m" use restricted volume types "hostPath", "nfs"'
        for version in (v(0), "latest"):
            found = told("restricted", version, spec(container("a", HARD), volumes=bad))
            assert found == {"restricted volume types": words}
        one = spec(container("a", HARD), volumes=[{"name": "g", "gitRepo": {"repository": "r"}}])
        words = 'volume "g" uses restricted volume type "gitRepo"'
        assert told("restricted", "latest", one) == {"restricted volume types": words}
        assert told("baseline", "latest", one) == {}

    @pytest.mark.parametrize(
        ("pod", "words"),
        [
            (
                spec(container("a"), container("b", {"runAsNonRoot": True})),
                'pod or container "a" must set securityContext.runAsNonRoot=true',
            ),
            (
                spec(container("a"), context={"runAsNonRoot": False}),
                "pod must not set securityContext.runAsNonRoot=false",
            ),
            (
                spec(
                    container("a", {"runAsNonRoot": False}),
                    container("b", {"runAsNonRoot": True}),
                    container("c", {"runAsNonRoot": False}),
                    context={"runAsNonRoot": False},
                ),
                'pod and containers "a", "c" must not set securityContext.runAsNonRoot=false',
            ),
            (
                spec(container("a", {"runAsNonRoot": False}), context={"runAsNonRoot": True}),
                'container "a" must not set securityContext.runAsNonRoot=false',
            ),
        ],
    )
    def test_run_as_non_root(self, pod: Tree, words: str) -> None:
        assert told("restricted", v(0), pod)["runAsNonRoot != true"] == words
        assert told("restricted", "latest", pod)["runAsNonRoot != true"] == words
        mapped = {**pod, "hostUsers": False}
        assert "runAsNonRoot != true" in told("restricted", v(34), mapped)
        assert "runAsNonRoot != true" not in told("restricted", v(35), mapped)

    def test_run_as_user_since_23(self) -> None:
        pod = spec(
            container("a", HARD | {"runAsUser": 0}),
            container("b", HARD | {"runAsUser": 1}),
            context={"runAsUser": 0},
            initContainers=[container("i", HARD | {"runAsUser": 0})],
        )
        words = 'pod and containers "i", "a" must not set runAsUser=0'
        assert told("restricted", v(22), pod) == {}
        assert told("restricted", v(23), pod) == {"runAsUser=0": words}
        mapped = {**pod, "hostUsers": False}
        assert told("restricted", v(34), mapped) == {"runAsUser=0": words}
        assert told("restricted", v(35), mapped) == {}

    def test_seccomp(self) -> None:
        bad = spec(
            container("a", HARD | {"seccompProfile": {"type": "Unconfined"}}),
            container("b", HARD),
            context={"seccompProfile": {"type": "Unconfined"}},
        )
        words = (
            'pod and container "a" must not set securityContext.seccompProfile.type to "Unconfined"'
        )
        assert told("restricted", "latest", bad) == {"seccompProfile": words}
        soft = {key: value for key, value in HARD.items() if key != "seccompProfile"}
        silent = spec(container("a", HARD), container("b", soft), container("c", soft))
        words = (
            'pod or containers "b", "c" must set securityContext.seccompProfile.type to '
            '"RuntimeDefault" or "Localhost"'
        )
        assert told("restricted", "latest", silent) == {"seccompProfile": words}
        assert told("restricted", v(18), silent) == {}

    def test_windows_pods_are_spared_what_linux_knows_since_25(self) -> None:
        pod = spec(container("a", {"runAsNonRoot": True}), **WINDOWS)
        assert list(told("restricted", v(24), pod)) == [
            "allowPrivilegeEscalation != false", "unrestricted capabilities", "seccompProfile",
        ]  # fmt: skip
        assert told("restricted", v(25), pod) == told("restricted", "latest", pod) == {}
        assert told("restricted", "latest", {**pod, "os": {"name": "linux"}}) != {}


class TestStandards:
    def test_the_restricted_level_forbids_all_that_the_baseline_does(self) -> None:
        for name, pod, *_ in BASELINE:
            for minor in range(NEWEST + 1):
                assert told("restricted", v(minor), pod), (name, minor)

    def test_no_check_is_run_twice_in_another_form(self) -> None:
        for minor in range(NEWEST + 1):
            found = checks_of(Standard("restricted", v(minor)))
            assert len(found) == len(set(found))

    def test_upstreams_order(self) -> None:
        for rules in (BASELINE_RULES, RESTRICTED_RULES):
            names = [rule.name for rule in rules]
            assert names == sorted(names)
            for rule in rules:
                versions = [first for first, _ in rule.versions]
                assert versions == sorted(set(versions))

    def test_later_versions_are_as_the_newest_known(self) -> None:
        for level in ("baseline", "restricted"):
            newest = checks_of(Standard(level, v(NEWEST)))
            assert checks_of(Standard(level, "latest")) == newest
            assert checks_of(Standard(level, "v1.10000")) == newest

    def test_words(self) -> None:
        found = [Violation("hostPort", 'container "a" uses hostPort 1'), Violation("other", "")]
        assert details(found) == 'hostPort (container "a" uses hostPort 1), other'
        assert reasons(found) == "hostPort, other"
