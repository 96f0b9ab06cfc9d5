"""Containers and volumes, as pods and pod templates tell them.

Source: k8s.io/kubectl/pkg/describe describeContainers, describeVolumes.
"""

from __future__ import annotations

from collections.abc import Sequence

from cli.describe.text import NONE, Page, Tree, moment

# volume source → (how kubectl calls it, then label and field of each line)
_VOLUMES: dict[str, tuple[str, tuple[tuple[str, str], ...]]] = {
    "hostPath": (
        "HostPath (bare host directory volume)",
        (("Path", "path"), ("HostPathType", "type")),
    ),
    "emptyDir": (
        "EmptyDir (a temporary directory that shares a pod's lifetime)",
        (("Medium", "medium"), ("SizeLimit", "sizeLimit")),
    ),
    "secret": (
        "Secret (a volume populated by a Secret)",
        (("SecretName", "secretName"), ("Optional", "optional")),
    ),
    "configMap": (
        "ConfigMap (a volume populated by a ConfigMap)",
        (("Name", "name"), ("Optional", "optional")),
    ),
    "downwardAPI": ("DownwardAPI (a volume populated by information about the pod)", ()),
    "persistentVolumeClaim": (
        "PersistentVolumeClaim (a reference to a PersistentVolumeClaim in the same namespace)",
        (("ClaimName", "claimName"), ("ReadOnly", "readOnly")),
    ),
}
_PROJECTED = "Projected (a volume that contains injected data from multiple sources)"


def describe_containers(
    page: Page, label: str, containers: Sequence[Tree], statuses: Sequence[Tree], level: int
) -> None:
    if not containers:
        return
    page.line(level, f"{label}:")
    by_name = {status["name"]: status for status in statuses}
    for container in containers:
        page.line(level + 1, f"{container['name']}:")
        _container(page, container, by_name.get(container["name"]), level + 2)


def _container(page: Page, container: Tree, status: Tree | None, level: int) -> None:
    if status is not None:
        page.line(level, "Container ID:", status.get("containerID", ""))
    page.line(level, "Image:", container.get("image", ""))
    if status is not None:
        page.line(level, "Image ID:", status.get("imageID", ""))
    ports = container.get("ports") or ()
    page.line(level, "Port:" if len(ports) < 2 else "Ports:", _ports(ports, "containerPort"))
    page.line(level, "Host Port:" if len(ports) < 2 else "Host Ports:", _ports(ports, "hostPort"))
    _command(page, container, level)
    if status is not None:
        _state(page, "State", status.get("state") or {}, level)
        if status.get("lastState"):
            _state(page, "Last State", status["lastState"], level)
        page.line(level, "Ready:", str(status.get("ready", False)))
        page.line(level, "Restart Count:", status.get("restartCount", 0))
    for label, field in (("Limits", "limits"), ("Requests", "requests")):
        held = (container.get("resources") or {}).get(field)
        if held:
            page.line(level, f"{label}:")
            for name in sorted(held):
                page.line(level + 1, f"{name}:", held[name])
    for label in ("Liveness", "Readiness", "Startup"):
        probe = container.get(f"{label.lower()}Probe")
        if probe:
            page.line(level, f"{label}:", probe_text(probe))
    _environment(page, container, level)
    _mounts(page, container, level)


def _command(page: Page, container: Tree, level: int) -> None:
    for label, field in (("Command", "command"), ("Args", "args")):
        if container.get(field):
            page.line(level, f"{label}:")
            for part in (part for word in container[field] for part in word.split("\n")):
                page.line(level + 1, part)


def _ports(ports: Sequence[Tree], field: str) -> str:
    found = []
    for port in ports:
        name = f" ({port['name']})" if port.get("name") and field == "containerPort" else ""
        found.append(f"{port.get(field, 0)}/{port.get('protocol', 'TCP')}{name}")
    return ", ".join(found) or NONE


def _state(page: Page, label: str, state: Tree, level: int) -> None:
    if "running" in state:
        page.line(level, f"{label}:", "Running")
        page.line(level + 1, "Started:", moment(state["running"].get("startedAt")))
    elif "terminated" in state:
        ended = state["terminated"]
        page.line(level, f"{label}:", "Terminated")
        for name, field in (("Reason", "reason"), ("Message", "message")):
            if ended.get(field):
                page.line(level + 1, f"{name}:", ended[field].strip())
        page.line(level + 1, "Exit Code:", ended.get("exitCode", 0))
        if ended.get("signal"):
            page.line(level + 1, "Signal:", ended["signal"])
        page.line(level + 1, "Started:", moment(ended.get("startedAt")))
        page.line(level + 1, "Finished:", moment(ended.get("finishedAt")))
    else:
        page.line(level, f"{label}:", "Waiting")
        waiting = state.get("waiting") or {}
        if waiting.get("reason"):
            page.line(level + 1, "Reason:", waiting["reason"])


def probe_text(probe: Tree) -> str:
    """A probe on one line."""
    if "exec" in probe:
        what = f"exec [{' '.join(probe['exec'].get('command') or ())}]"
    elif "httpGet" in probe:
        get = probe["httpGet"]
        scheme = get.get("scheme", "HTTP").lower()
        path = get.get("path", "/")
        what = f"http-get {scheme}://{get.get('host', '')}:{get['port']}{path}"
    elif "tcpSocket" in probe:
        what = f"tcp-socket {probe['tcpSocket'].get('host', '')}:{probe['tcpSocket']['port']}"
    elif "grpc" in probe:
        what = f"grpc <pod>:{probe['grpc']['port']} {probe['grpc'].get('service') or ''}"
    else:
        what = "unknown"
    numbers = (
        f"delay={probe.get('initialDelaySeconds', 0)}s timeout={probe.get('timeoutSeconds', 1)}s "
        f"period={probe.get('periodSeconds', 10)}s #success={probe.get('successThreshold', 1)} "
        f"#failure={probe.get('failureThreshold', 3)}"
    )
    return f"{what} {numbers}"


def _environment(page: Page, container: Tree, level: int) -> None:
    sources = container.get("envFrom") or ()
    if sources:
        page.line(level, "Environment Variables from:")
        for one in sources:
            kind, held = (
                ("ConfigMap", one["configMapRef"]) if "configMapRef" in one
                else ("Secret", one.get("secretRef", {}))
            )  # fmt: skip
            optional = str(bool(held.get("optional"))).lower()
            prefix = f" with prefix '{one['prefix']}'" if one.get("prefix") else ""
            name = held.get("name", "")
            page.line(level + 1, name, f"{kind}{prefix}", f"Optional: {optional}")
    variables = container.get("env") or ()
    page.line(level, "Environment:", *([] if variables else [NONE]))
    for one in variables:
        page.line(level + 1, f"{one['name']}:", _value(one))


def _value(variable: Tree) -> str:
    source = variable.get("valueFrom") or {}
    if "fieldRef" in source:
        field = source["fieldRef"]
        return f" ({field.get('apiVersion', 'v1')}:{field['fieldPath']})"
    if "resourceFieldRef" in source:
        return f" ({source['resourceFieldRef']['resource']})"
    for field, what in (("secretKeyRef", "secret"), ("configMapKeyRef", "config map")):
        if field in source:
            key, name = source[field]["key"], source[field].get("name", "")
            optional = str(bool(source[field].get("optional"))).lower()
            return f"<set to the key '{key}' in {what} '{name}'>  Optional: {optional}"
    return str(variable.get("value", ""))


def _mounts(page: Page, container: Tree, level: int) -> None:
    mounts = sorted(container.get("volumeMounts") or (), key=lambda one: one["mountPath"])
    page.line(level, "Mounts:", *([] if mounts else [NONE]))
    for one in mounts:
        flags = ["ro" if one.get("readOnly") else "rw"]
        if one.get("subPath"):
            flags.append(f'path="{one["subPath"]}"')
        page.line(level + 1, f"{one['mountPath']} from {one['name']} ({','.join(flags)})")


def describe_volumes(page: Page, volumes: Sequence[Tree], level: int) -> None:
    if not volumes:
        return
    page.line(level, "Volumes:")
    for volume in volumes:
        page.line(level + 1, f"{volume['name']}:")
        if "projected" in volume:
            _projected(page, volume["projected"], level + 2)
            continue
        for field, (words, lines) in _VOLUMES.items():
            if field in volume:
                page.line(level + 2, "Type:", words)
                for label, key in lines:
                    default = "false" if label in ("Optional", "ReadOnly") else "<unset>" if label == "SizeLimit" else ""  # fmt: skip
                    value = (volume[field] or {}).get(key, default)
                    shown = str(value).lower() if isinstance(value, bool) else value
                    page.line(level + 2, f"{label}:", shown)


def _projected(page: Page, projected: Tree, level: int) -> None:
    page.line(level, "Type:", _PROJECTED)
    for source in projected.get("sources") or ():
        if "secret" in source:
            page.line(level, "SecretName:", source["secret"].get("name", ""))
        if "downwardAPI" in source:
            page.line(level, "DownwardAPI:", "true")
        if "configMap" in source:
            page.line(level, "ConfigMapName:", source["configMap"].get("name", ""))
            optional = source["configMap"].get("optional")
            page.line(level, "Optional:", str(bool(optional)).lower())
        if "serviceAccountToken" in source:
            seconds = source["serviceAccountToken"].get("expirationSeconds", 3600)
            page.line(level, "TokenExpirationSeconds:", seconds)
