"""The checks of the baseline level: nothing that is known to let a pod out.

Source: k8s.io/pod-security-admission/policy/check_*.go.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from apiserver.admission.pod_security.words import (
    Check,
    Tree,
    Violation,
    containers,
    has_own_users,
    name_of,
    named,
    plural,
    quoted,
    security,
    setters,
)
from wherry.api.errors import go_quote

APP_ARMOR_PREFIX: Final = "container.apparmor.security.beta.kubernetes.io/"
SECCOMP_POD: Final = "seccomp.security.alpha.kubernetes.io/pod"
SECCOMP_PREFIX: Final = "container.seccomp.security.alpha.kubernetes.io/"
CAPABILITIES: Final = frozenset(
    {
        "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD",
        "NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
    }
)  # fmt: skip
SYSCTLS: Final = frozenset(
    {
        "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies",
        "net.ipv4.ping_group_range", "net.ipv4.ip_unprivileged_port_start",
    }
)  # fmt: skip
SYSCTLS_27: Final = SYSCTLS | {"net.ipv4.ip_local_reserved_ports"}
SYSCTLS_29: Final = SYSCTLS_27 | {
    "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
}  # fmt: skip
SYSCTLS_32: Final = SYSCTLS_29 | {"net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"}
SELINUX_TYPES: Final = frozenset({"", "container_t", "container_init_t", "container_kvm_t"})
SELINUX_TYPES_31: Final = SELINUX_TYPES | {"container_engine_t"}
PROFILE_TYPES: Final = frozenset({"RuntimeDefault", "Localhost"})


def app_armor(metadata: Tree, spec: Tree) -> Violation | None:
    """The default AppArmor profile is neither switched off nor replaced by an unknown one."""
    kind = (security(spec).get("appArmorProfile") or {}).get("type", "RuntimeDefault")
    pod = kind not in PROFILE_TYPES
    values = {kind} if pod else set()
    bad: list[str] = []
    for container in containers(spec):
        profile = security(container).get("appArmorProfile")
        if profile is not None and profile.get("type", "") not in PROFILE_TYPES:
            bad.append(name_of(container))
            values.add(profile.get("type", ""))
    notes = sorted(
        f"{key}={go_quote(value)}"
        for key, value in (metadata.get("annotations") or {}).items()
        if key.startswith(APP_ARMOR_PREFIX) and not _is_known_profile(value)
    )
    who = setters(pod, bad)
    if notes:
        who = " and ".join(filter(None, (who, plural("annotation", len(notes)))))
    if not who:
        return None
    found = [*sorted(values), *notes]
    reason = plural("forbidden AppArmor profile", len(found))
    return Violation(reason, f"{who} must not set AppArmor profile type to {quoted(found)}")


def _is_known_profile(value: str) -> bool:
    return value in ("", "runtime/default") or value.startswith("localhost/")


def capabilities(metadata: Tree, spec: Tree) -> Violation | None:
    """No capability is added beyond those that containers have anyway."""
    bad: list[str] = []
    values: set[str] = set()
    for container in containers(spec):
        added = (security(container).get("capabilities") or {}).get("add") or ()
        if extra := set(added) - CAPABILITIES:
            bad.append(name_of(container))
            values |= extra
    if not bad:
        return None
    words = f"{named(bad)} must not include {quoted(sorted(values))}"
    return Violation("non-default capabilities", f"{words} in securityContext.capabilities.add")


def host_namespaces(metadata: Tree, spec: Tree) -> Violation | None:
    """Network, processes and IPC are the pod's own."""
    fields = [field for field in ("hostNetwork", "hostPID", "hostIPC") if spec.get(field)]
    if not fields:
        return None
    return Violation("host namespaces", ", ".join(f"{field}=true" for field in fields))


def host_path_volumes(metadata: Tree, spec: Tree) -> Violation | None:
    """No directory of the node is mounted."""
    bad = [one["name"] for one in spec.get("volumes") or () if one.get("hostPath") is not None]
    if not bad:
        return None
    return Violation("hostPath volumes", f"{plural('volume', len(bad))} {quoted(bad)}")


def host_ports(metadata: Tree, spec: Tree) -> Violation | None:
    """No port of the node is taken."""
    bad: list[str] = []
    ports: set[str] = set()
    for container in containers(spec):
        taken = {
            str(one["hostPort"]) for one in container.get("ports") or () if one.get("hostPort")
        }
        if taken:
            bad.append(name_of(container))
            ports |= taken
    if not bad:
        return None
    words = f"{named(bad)} {_uses(bad)} {plural('hostPort', len(ports))} {', '.join(sorted(ports))}"
    return Violation("hostPort", words)


def handler_hosts(metadata: Tree, spec: Tree) -> Violation | None:
    """Probes and lifecycle hooks speak to the pod itself, not to a host of its choice."""
    bad: set[str] = set()
    hosts: set[str] = set()
    for container in containers(spec):
        if found := {host for one in _handlers(container) for host in _hosts(one)}:
            bad.add(name_of(container))
            hosts |= found
    if not bad:
        return None
    names = sorted(bad)
    what = plural("probe or lifecycle host", len(hosts))
    words = f"{named(names)} {_uses(names)} {what} {quoted(sorted(hosts))}"
    return Violation("probe or lifecycle host", words)


def _handlers(container: Tree) -> Iterator[Tree]:
    lifecycle = container.get("lifecycle") or {}
    for owner, field in (
        (container, "livenessProbe"),
        (container, "readinessProbe"),
        (container, "startupProbe"),
        (lifecycle, "postStart"),
        (lifecycle, "preStop"),
    ):
        if handler := owner.get(field):
            yield handler


def _hosts(handler: Tree) -> Iterator[str]:
    for field in ("httpGet", "tcpSocket"):
        if host := (handler.get(field) or {}).get("host"):
            yield host


def privileged(metadata: Tree, spec: Tree) -> Violation | None:
    """No container is privileged."""
    bad = [name_of(one) for one in containers(spec) if security(one).get("privileged")]
    if not bad:
        return None
    return Violation("privileged", f"{named(bad)} must not set securityContext.privileged=true")


def proc_mount(metadata: Tree, spec: Tree) -> Violation | None:
    """/proc keeps its masks."""
    bad: list[str] = []
    values: set[str] = set()
    for container in containers(spec):
        mount = security(container).get("procMount")
        if mount is not None and mount != "Default":
            bad.append(name_of(container))
            values.add(mount)
    if not bad:
        return None
    words = f"{named(bad)} must not set securityContext.procMount to {quoted(sorted(values))}"
    return Violation("procMount", words)


def proc_mount_35(metadata: Tree, spec: Tree) -> Violation | None:
    """As before, but a pod in a user namespace may unmask it."""
    return None if has_own_users(spec) else proc_mount(metadata, spec)


def selinux(types: frozenset[str]) -> Check:
    """The SELinux type is one of containers', user and role are not set."""

    def check(metadata: Tree, spec: Tree) -> Violation | None:
        bad_types: set[str] = set()
        fields: set[str] = set()

        def is_bad(owner: Tree) -> bool:
            options = security(owner).get("seLinuxOptions") or {}
            kind = options.get("type", "")
            found = {field for field in ("user", "role") if options.get(field)}
            fields.update(found)
            if kind not in types:
                bad_types.add(kind)
            return bool(found) or kind not in types

        pod = is_bad(spec)
        who = setters(pod, [name_of(one) for one in containers(spec) if is_bad(one)])
        if not who:
            return None
        what = []
        if bad_types:
            what.append(f"{plural('type', len(bad_types))} {quoted(sorted(bad_types))}")
        what += [f"{field} may not be set" for field in ("user", "role") if field in fields]
        words = f"{who} set forbidden securityContext.seLinuxOptions: {'; '.join(what)}"
        return Violation("seLinuxOptions", words)

    return check


def seccomp_annotations(metadata: Tree, spec: Tree) -> Violation | None:
    """Before v1.19 the profile was an annotation: only those that filter."""
    annotations: Tree = metadata.get("annotations") or {}
    keys = {SECCOMP_POD, *(SECCOMP_PREFIX + name_of(one) for one in containers(spec))}
    bad = sorted(
        f"{key}={go_quote(annotations[key])}"
        for key in keys & annotations.keys()
        if not _is_filtering(annotations[key])
    )
    if not bad:
        return None
    words = f"forbidden {plural('annotation', len(bad))} {', '.join(bad)}"
    return Violation("seccompProfile", words)


def _is_filtering(value: str) -> bool:
    return value in ("runtime/default", "docker/default") or value.startswith("localhost/")


def seccomp(metadata: Tree, spec: Tree) -> Violation | None:
    """Where a seccomp profile is named, it is one that filters."""
    values: set[str] = set()

    def is_bad(owner: Tree) -> bool:
        profile = security(owner).get("seccompProfile")
        if profile is None or profile.get("type", "") in PROFILE_TYPES:
            return False
        values.add(profile.get("type", ""))
        return True

    pod = is_bad(spec)
    who = setters(pod, [name_of(one) for one in containers(spec) if is_bad(one)])
    return seccomp_violation(who, values) if who else None


def seccomp_violation(who: str, values: set[str]) -> Violation:
    words = f"must not set securityContext.seccompProfile.type to {quoted(sorted(values))}"
    return Violation("seccompProfile", f"{who} {words}")


def sysctls(allowed: frozenset[str]) -> Check:
    """Only sysctls that are the pod's own and do no harm to others."""

    def check(metadata: Tree, spec: Tree) -> Violation | None:
        names = [one["name"] for one in security(spec).get("sysctls") or ()]
        bad = [name for name in names if name not in allowed]
        return Violation("forbidden sysctls", ", ".join(bad)) if bad else None

    return check


def windows_host_process(metadata: Tree, spec: Tree) -> Violation | None:
    """No Windows container is a process of the host."""

    def is_bad(owner: Tree) -> bool:
        options: dict[str, Any] = security(owner).get("windowsOptions") or {}
        return bool(options.get("hostProcess"))

    who = setters(is_bad(spec), [name_of(one) for one in containers(spec) if is_bad(one)])
    if not who:
        return None
    words = f"{who} must not set securityContext.windowsOptions.hostProcess=true"
    return Violation("hostProcess", words)


def _uses(names: list[str]) -> str:
    return "uses" if len(names) == 1 else "use"
