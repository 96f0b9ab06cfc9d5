"""Docker's create arguments for sandboxes and containers. Pure.

Docker's defaults are not Kubernetes': no health check, no restart policy, seccomp unconfined unless
asked for, mounts that must exist. Sandboxes own the network, IPC, host name and sysctls; containers
join.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kubelet.env import ConfigError, expand
from kubelet.pods import cgroups, dns, privileged, sysctls
from kubelet.pods.cgroups import LogLimits, NodeFacts
from kubelet.pods.plan import Start, grace_seconds, spec_hash
from kubelet.runtime import labels as names
from kubelet.runtime.labels import SANDBOX_CONTAINER_NAME, Identity
from kubelet.volumes.interface import Device, Mount
from wherry.api.core_v1 import Container, Pod, SeccompProfile

DEFAULT_TERMINATION_PATH = "/dev/termination-log"
# A pod's /dev/shm, as containerd gives it.
SHM_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ContainerFiles:
    """Files of ours that are mounted into a container."""

    termination_log: Path
    hosts: Path | None = None
    resolv_conf: Path | None = None


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything of one container that is not in its spec."""

    image_id: str
    image_user: str
    env: Mapping[str, str]
    mounts: Sequence[Mount]
    files: ContainerFiles
    node: NodeFacts
    node_name: str
    image_stop_signal: str = ""
    devices: Sequence[Device] = ()
    runtime: str = ""  # the engine's, by name
    target_id: str = ""  # the container whose processes an ephemeral one sees
    profiles: Mapping[str, str] = field(default_factory=dict)  # seccomp profiles of the node, JSON


def identity(pod: Pod, container: str, attempt: int) -> Identity:
    meta = pod.metadata
    return Identity(meta.uid, meta.name, meta.namespace, container, attempt)


def log_config(limits: LogLimits) -> dict[str, Any]:
    """The engine rotates; without a size it would not, whatever the number of files."""
    size = {"max-size": str(limits.bytes), "max-file": str(limits.files)} if limits.bytes else {}
    return {"Type": "json-file", "Config": size}


def image_with_tag(image: str) -> str:
    """As a status shows it: `busybox` → `busybox:latest`."""
    return image if "@" in image or ":" in image.rpartition("/")[2] else f"{image}:latest"


def sandbox(
    pod: Pod, attempt: int, image: str, node: NodeFacts, node_name: str, runtime: str = ""
) -> dict[str, Any]:
    """The sandbox: nothing but namespaces. ConfigError when the engine can't give those asked for.

    runtime: the engine's runtime by name; empty = its default
    """
    spec = pod.spec
    if spec.host_users is False:
        raise ConfigError(
            "can't set `spec.hostUsers: false`, runtime does not support user namespaces"
        )
    context = spec.security_context
    host: dict[str, Any] = {
        "NetworkMode": "host" if spec.host_network else "none",
        "IpcMode": "host" if spec.host_ipc else "shareable",
        "CgroupParent": cgroups.parent(pod, node),
        "CpuShares": cgroups.SHARES_MIN,
        "OomScoreAdj": max(cgroups.OOM_SANDBOX, node.oom_score_min),
        "RestartPolicy": {"Name": "no"},
        "LogConfig": log_config(node.log_limits),
        "ShmSize": SHM_BYTES,
        "SecurityOpt": [],  # RuntimeDefault, whatever the pod's own profile is, as upstream
    }
    if runtime:
        host["Runtime"] = runtime
    if spec.host_pid:
        host["PidMode"] = "host"
    if context is not None and context.sysctls:
        host["Sysctls"] = {sysctls.dotted(one.name): one.value for one in context.sysctls}
    config: dict[str, Any] = {
        "Image": image,
        "Labels": {
            **identity(pod, SANDBOX_CONTAINER_NAME, attempt).labels(node_name),
            names.POD_GRACE: str(grace_seconds(pod)),
        },
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": host,
    }
    if not spec.host_network:
        # The kernel's namespace alone is wanted, which CNI wires. Otherwise the engine starts itself
        # once more in each sandbox, to register the namespace with a network of its own: 0.1 s.
        config["NetworkDisabled"] = True
        try:
            config["Hostname"] = dns.hostname(pod, node.hostname, node.cluster_domain)
        except dns.HostnameError as error:
            raise ConfigError(str(error)) from error
    return config


def container(pod: Pod, start: Start, given: Inputs) -> dict[str, Any]:
    """One container of the pod; ConfigError when its spec can't be met."""
    spec = start.container
    host: dict[str, Any] = {
        "NetworkMode": f"container:{start.sandbox_id}",
        "IpcMode": "host" if pod.spec.host_ipc else f"container:{start.sandbox_id}",
        "CgroupParent": cgroups.parent(pod, given.node),
        **cgroups.resources(spec),
        "OomScoreAdj": cgroups.oom_score(pod, spec, given.node),
        "RestartPolicy": {"Name": "no"},
        "LogConfig": log_config(given.node.log_limits),
        "Mounts": _mounts(spec, given),
        **_security(pod, spec, given),
    }
    if given.runtime:
        host["Runtime"] = given.runtime
    if given.devices:
        host["Devices"] = [
            {
                "PathOnHost": str(device.source),
                "PathInContainer": device.target,
                "CgroupPermissions": device.permissions,
            }
            for device in given.devices
        ]
    if pod.spec.host_pid:
        host["PidMode"] = "host"
    elif pod.spec.share_process_namespace:
        host["PidMode"] = f"container:{start.sandbox_id}"
    elif given.target_id:
        host["PidMode"] = f"container:{given.target_id}"
    config: dict[str, Any] = {
        "Image": given.image_id,
        "Env": [f"{name}={value}" for name, value in given.env.items()],
        "Labels": _labels(pod, start, given),
        "Healthcheck": {"Test": ["NONE"]},
        "OpenStdin": spec.stdin,
        "StdinOnce": spec.stdin_once,
        "Tty": spec.tty,
        "HostConfig": host,
    }
    user = _user(pod, spec, given.image_user)
    if user:
        config["User"] = user
    if spec.command:
        config["Entrypoint"] = [expand(word, given.env) for word in spec.command]
        # Kubernetes drops the image's CMD when the command is given.
        config["Cmd"] = [expand(word, given.env) for word in spec.args]
    elif spec.args:
        config["Cmd"] = [expand(word, given.env) for word in spec.args]
    if spec.working_dir:
        config["WorkingDir"] = spec.working_dir
    return config


def _labels(pod: Pod, start: Start, given: Inputs) -> dict[str, str]:
    spec = start.container
    found = {
        **identity(pod, spec.name, start.attempt).labels(given.node_name),
        names.SANDBOX: start.sandbox_id,
        names.SPEC_HASH: spec_hash(spec),
        names.RESTART_DELAY: str(start.restart_delay_seconds),
        names.ROUND: str(start.round),
        names.IMAGE: image_with_tag(spec.image),
        names.POD_GRACE: str(grace_seconds(pod)),
        names.TERMINATION_PATH: spec.termination_message_path or DEFAULT_TERMINATION_PATH,
        names.TERMINATION_POLICY: spec.termination_message_policy or "File",
        names.TERMINATION_FILE: str(given.files.termination_log),
    }
    own = spec.lifecycle.stop_signal if spec.lifecycle is not None else None
    if own or given.image_stop_signal:
        found[names.STOP_SIGNAL] = own or given.image_stop_signal
    return found


def _mounts(spec: Container, given: Inputs) -> list[dict[str, Any]]:
    taken = {mount.target for mount in given.mounts}
    ours = [
        (given.files.hosts, "/etc/hosts"),
        (given.files.resolv_conf, "/etc/resolv.conf"),
        (given.files.termination_log, spec.termination_message_path or DEFAULT_TERMINATION_PATH),
    ]
    mounts = [
        *given.mounts,
        *(
            Mount(source, target)
            for source, target in ours
            if source is not None and target not in taken
        ),
    ]
    return [
        {
            "Type": "bind",
            "Source": str(mount.source),
            "Target": mount.target,
            "ReadOnly": mount.read_only,
            "BindOptions": _bind_options(mount),
        }
        for mount in mounts
    ]


def _bind_options(mount: Mount) -> dict[str, Any]:
    """Since version 1.44 of its API the engine makes what is read-only so with all mounted below."""
    found: dict[str, Any] = {"Propagation": mount.propagation} if mount.propagation else {}
    return found | ({"ReadOnlyNonRecursive": True} if mount.read_only else {})


def _security(pod: Pod, spec: Container, given: Inputs) -> dict[str, Any]:
    own, shared = spec.security_context, pod.spec.security_context
    options = _seccomp(pod, spec, given)
    found: dict[str, Any] = {}
    if shared is not None:
        groups = [*shared.supplemental_groups]
        if shared.fs_group is not None:
            groups.append(shared.fs_group)
        if groups:
            found["GroupAdd"] = [str(group) for group in groups]
    if own is not None:
        lacked = given.node.lacked_capabilities
        found["Privileged"] = bool(own.privileged)
        found["ReadonlyRootfs"] = bool(own.read_only_root_filesystem)
        if own.capabilities is not None:
            found["CapAdd"] = list(own.capabilities.add)
            found["CapDrop"] = list(own.capabilities.drop)
            if "ALL" in own.capabilities.add:
                found["CapDrop"] += lacked
        if own.privileged and lacked:
            found |= privileged.host_config(lacked)
            options += ["apparmor=unconfined", "label=disable"]
        if own.allow_privilege_escalation is False:
            options.append("no-new-privileges")
        if own.proc_mount == "Unmasked":
            found["MaskedPaths"] = []
            found["ReadonlyPaths"] = []
    return {**found, "SecurityOpt": options}


def _seccomp(pod: Pod, spec: Container, given: Inputs) -> list[str]:
    """Docker's default profile is Kubernetes' RuntimeDefault, and that must be asked for."""
    profile = seccomp_profile(pod, spec)
    if is_privileged(spec):
        return ["seccomp=unconfined"]
    if profile is None:
        return [] if given.node.seccomp_default else ["seccomp=unconfined"]
    if profile.type == "Unconfined":
        return ["seccomp=unconfined"]
    if profile.type == "RuntimeDefault":
        return []
    return [f"seccomp={given.profiles[profile.localhost_profile or '']}"]


def seccomp_profile(pod: Pod, spec: Container) -> SeccompProfile | None:
    """The container's own profile, else the pod's."""
    own, shared = spec.security_context, pod.spec.security_context
    if own is not None and own.seccomp_profile is not None:
        return own.seccomp_profile
    return shared.seccomp_profile if shared is not None else None


def is_privileged(spec: Container) -> bool:
    return spec.security_context is not None and bool(spec.security_context.privileged)


def _user(pod: Pod, spec: Container, image_user: str) -> str:
    """`uid[:gid]`; empty = the image's."""
    own, shared = spec.security_context, pod.spec.security_context

    def first(name: str) -> Any:
        value = getattr(own, name) if own is not None else None
        return value if value is not None or shared is None else getattr(shared, name)

    uid, gid, non_root = first("run_as_user"), first("run_as_group"), first("run_as_non_root")
    image_uid = image_user.partition(":")[0]
    if non_root:
        where = f"(pod: {pod.metadata.name}_{pod.metadata.namespace}({pod.metadata.uid}), container: {spec.name})"
        if uid == 0:
            raise ConfigError(f"container's runAsUser breaks non-root policy {where}")
        if uid is None and image_uid in ("", "0", "root"):
            raise ConfigError(f"container has runAsNonRoot and image will run as root {where}")
        if uid is None and not image_uid.isdigit():
            raise ConfigError(
                f"container has runAsNonRoot and image has non-numeric user ({image_uid}), cannot verify user is non-root {where}"
            )
    if gid is not None:
        return f"{uid if uid is not None else image_uid or 0}:{gid}"
    return str(uid) if uid is not None else ""
