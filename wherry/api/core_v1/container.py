"""Containers."""

from __future__ import annotations

from wherry.api.core_v1.env import EnvFromSource, EnvVar
from wherry.api.core_v1.handler import Lifecycle, Probe
from wherry.api.core_v1.security import SecurityContext
from wherry.api.core_v1.volume import VolumeDevice, VolumeMount
from wherry.api.model import Int32, Model, Quantity, wire


class ContainerPort(Model):
    name: str = ""
    host_port: Int32 = 0
    container_port: Int32 = wire(0, required=True, zero="kept")
    protocol: str = wire("", enum=("SCTP", "TCP", "UDP"))
    host_ip: str = ""


class ResourceClaim(Model):
    name: str = wire("", required=True, zero="kept")
    request: str = ""


class ResourceRequirements(Model):
    limits: dict[str, Quantity] = {}
    requests: dict[str, Quantity] = {}
    claims: list[ResourceClaim] = wire([], list_type="map", keys=("name",))


class ContainerResizePolicy(Model):
    resource_name: str = wire("", required=True, zero="kept")
    restart_policy: str = wire("", required=True, zero="kept")


class ContainerRestartRuleOnExitCodes(Model):
    operator: str = wire("", required=True)
    values: list[Int32] = wire([], list_type="set")


class ContainerRestartRule(Model):
    action: str = wire("", required=True)
    exit_codes: ContainerRestartRuleOnExitCodes | None = None


class Container(Model):
    name: str = wire("", required=True, zero="kept")
    image: str = ""
    command: list[str] = wire([], list_type="atomic")
    args: list[str] = wire([], list_type="atomic")
    working_dir: str = ""
    ports: list[ContainerPort] = wire(
        [], list_type="map", keys=("containerPort", "protocol"), merge_key="containerPort"
    )
    env: list[EnvVar] = wire([], list_type="map", keys=("name",), merge_key="name")
    resources: ResourceRequirements = wire(struct=ResourceRequirements)
    volume_mounts: list[VolumeMount] = wire(
        [], list_type="map", keys=("mountPath",), merge_key="mountPath"
    )
    liveness_probe: Probe | None = None
    readiness_probe: Probe | None = None
    lifecycle: Lifecycle | None = None
    termination_message_path: str = ""
    image_pull_policy: str = wire("", enum=("Always", "IfNotPresent", "Never"))
    security_context: SecurityContext | None = None
    stdin: bool = False
    stdin_once: bool = False
    tty: bool = False
    env_from: list[EnvFromSource] = wire([], list_type="atomic")
    termination_message_policy: str = wire(
        "",
        enum=("FallbackToLogsOnError", "File"),
    )
    volume_devices: list[VolumeDevice] = wire(
        [],
        list_type="map",
        keys=("devicePath",),
        merge_key="devicePath",
    )
    startup_probe: Probe | None = None
    resize_policy: list[ContainerResizePolicy] = wire([], list_type="atomic")
    restart_policy: str | None = None
    restart_policy_rules: list[ContainerRestartRule] = wire([], list_type="atomic")


class EphemeralContainer(Model):
    name: str = wire("", required=True, zero="kept", number="1.1")
    image: str = wire("", number="1.2")
    command: list[str] = wire([], list_type="atomic", number="1.3")
    args: list[str] = wire([], list_type="atomic", number="1.4")
    working_dir: str = wire("", number="1.5")
    ports: list[ContainerPort] = wire(
        [],
        list_type="map",
        keys=("containerPort", "protocol"),
        merge_key="containerPort",
        number="1.6",
    )
    env: list[EnvVar] = wire([], list_type="map", keys=("name",), merge_key="name", number="1.7")
    resources: ResourceRequirements = wire(struct=ResourceRequirements, number="1.8")
    volume_mounts: list[VolumeMount] = wire(
        [], list_type="map", keys=("mountPath",), merge_key="mountPath", number="1.9"
    )
    liveness_probe: Probe | None = wire(None, number="1.10")
    readiness_probe: Probe | None = wire(None, number="1.11")
    lifecycle: Lifecycle | None = wire(None, number="1.12")
    termination_message_path: str = wire("", number="1.13")
    image_pull_policy: str = wire("", enum=("Always", "IfNotPresent", "Never"), number="1.14")
    security_context: SecurityContext | None = wire(None, number="1.15")
    stdin: bool = wire(False, number="1.16")
    stdin_once: bool = wire(False, number="1.17")
    tty: bool = wire(False, number="1.18")
    env_from: list[EnvFromSource] = wire([], list_type="atomic", number="1.19")
    termination_message_policy: str = wire(
        "", enum=("FallbackToLogsOnError", "File"), number="1.20"
    )
    volume_devices: list[VolumeDevice] = wire(
        [], list_type="map", keys=("devicePath",), merge_key="devicePath", number="1.21"
    )
    startup_probe: Probe | None = wire(None, number="1.22")
    resize_policy: list[ContainerResizePolicy] = wire([], list_type="atomic", number="1.23")
    restart_policy: str | None = wire(None, number="1.24")
    restart_policy_rules: list[ContainerRestartRule] = wire([], list_type="atomic", number="1.25")
    target_container_name: str = wire("", number="2")
