"""A container's environment, computed: services, envFrom, env, `$(VAR)`.

Pure: the objects it refers to are handed in (a missing one is simply absent from the mapping).
Later sources win over earlier ones: services < envFrom < env; within `env`, `$(VAR)` sees only
variables declared before it, those of envFrom and the services'.

Source: upstream's kubelet makeEnvironmentVariables, pkg/kubelet/envvars, third_party/forked/golang/expansion.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from kubelet import env_file
from kubelet.downward import Addresses, FieldRefError, field_value, resource_value
from wherry.api.core_v1 import (
    ConfigMap,
    Container,
    EnvFromSource,
    EnvVar,
    FileKeySelector,
    Node,
    Pod,
    Secret,
    Service,
)

_REFERENCE = re.compile(r"\$(?:\$|\(([^)]*)\))")
# Go's unicode/ASCII rule since relaxed validation: printable ASCII but "=".
_NAME = re.compile(r"[ -<>-~]+")

API_SERVICE = ("default", "kubernetes")
_NO_FILES: Mapping[tuple[str, str], str | None] = {}


class ConfigError(Exception):
    """The container can't be configured: CreateContainerConfigError with this message."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def expand(text: str, env: Mapping[str, str]) -> str:
    """Replace `$(NAME)` by its value; `$$` is a dollar; unknown names stay as they are written."""

    def replacement(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        return env.get(found[1], found[0])

    return _REFERENCE.sub(replacement, text)


def variables_in(text: str) -> set[str]:
    """The variables that a text refers to as `$(NAME)`."""
    return {found[1] for found in _REFERENCE.finditer(text) if found[0] != "$$"}


def make_environment(
    pod: Pod,
    container: Container,
    *,
    config_maps: Mapping[str, ConfigMap | None],
    secrets: Mapping[str, Secret | None],
    service_env: Mapping[str, str],
    addresses: Addresses,
    node: Node | None,
    env_files: Mapping[tuple[str, str], str | None] = _NO_FILES,
) -> dict[str, str]:
    """All variables of a container; ConfigError when an object or key it needs is missing.

    env_files: the texts of the files that it names, by volume and path; None: there is no such file
    """
    declared: dict[str, str] = {}
    for source in container.env_from:
        declared.update(_all_of(source, config_maps, secrets))
    visible: dict[str, str] = {}
    for variable in container.env:
        if variable.value_from is None:
            value: str | None = expand(variable.value, {**service_env, **declared, **visible})
        elif variable.value_from.field_ref or variable.value_from.resource_field_ref:
            value = _own_field(pod, container, variable, addresses, node)
        elif variable.value_from.file_key_ref is not None:
            value = _file_key(variable.value_from.file_key_ref, env_files)
        else:
            value = _object_key(pod.metadata.namespace, variable, config_maps, secrets)
        if value is not None:
            visible[variable.name] = value
    return {**service_env, **declared, **visible}


def env_file_names(container: Container) -> list[tuple[str, str]]:
    """The (volume, path) of each environment file that a container names."""
    sources = (one.value_from.file_key_ref for one in container.env if one.value_from is not None)
    return [(one.volume_name, one.path) for one in sources if one is not None]


def _file_key(
    wanted: FileKeySelector, env_files: Mapping[tuple[str, str], str | None]
) -> str | None:
    """One variable of a file in a volume; None when it is missing but optional."""
    text = env_files.get((wanted.volume_name, wanted.path))
    try:
        found = dict(env_file.variables(text)) if text is not None else {}
    except env_file.EnvFileError as error:
        raise ConfigError(f"couldn't parse env file: {error}") from error
    if wanted.key in found or wanted.optional:
        return found.get(wanted.key)
    if text is None:
        raise ConfigError(f'env file "{wanted.path}" not found in volume "{wanted.volume_name}"')
    raise ConfigError(f'environment variable key "{wanted.key}" not found in file "{wanted.path}"')


def _all_of(
    source: EnvFromSource,
    config_maps: Mapping[str, ConfigMap | None],
    secrets: Mapping[str, Secret | None],
) -> dict[str, str]:
    """Every key of a ConfigMap or Secret that can be a variable's name."""
    data: Mapping[str, str] = {}
    if source.config_map_ref is not None:
        config_map = config_maps.get(source.config_map_ref.name)
        if config_map is not None:
            data = config_map.data
        elif not source.config_map_ref.optional:
            raise ConfigError(f'configmap "{source.config_map_ref.name}" not found')
    elif source.secret_ref is not None:
        secret = secrets.get(source.secret_ref.name)
        if secret is not None:
            data = {key: value.decode(errors="replace") for key, value in secret.data.items()}
        elif not source.secret_ref.optional:
            raise ConfigError(f'secret "{source.secret_ref.name}" not found')
    named = {source.prefix + key: value for key, value in data.items()}
    return {name: value for name, value in named.items() if _NAME.fullmatch(name)}


def _own_field(
    pod: Pod, container: Container, variable: EnvVar, addresses: Addresses, node: Node | None
) -> str:
    source = variable.value_from
    assert source is not None
    try:
        if source.field_ref is not None:
            return field_value(pod, source.field_ref.field_path, addresses)
        assert source.resource_field_ref is not None
        selector = source.resource_field_ref
        owner = container
        if selector.container_name and selector.container_name != container.name:
            everyone = (*pod.spec.containers, *pod.spec.init_containers)
            found = [one for one in everyone if one.name == selector.container_name]
            if not found:
                raise ConfigError(f"container {selector.container_name} not found")
            owner = found[0]
        return resource_value(owner, selector, node)
    except FieldRefError as error:
        raise ConfigError(str(error)) from error


def _object_key(
    namespace: str,
    variable: EnvVar,
    config_maps: Mapping[str, ConfigMap | None],
    secrets: Mapping[str, Secret | None],
) -> str | None:
    """The value of one key; None when it is missing but optional."""
    source = variable.value_from
    assert source is not None
    if source.config_map_key_ref is not None:
        wanted = source.config_map_key_ref
        config_map = config_maps.get(wanted.name)
        if config_map is not None and wanted.key in config_map.data:
            return config_map.data[wanted.key]
        kind, word = "ConfigMap", "configmap"
        missing_object = config_map is None
        optional, name, key = bool(wanted.optional), wanted.name, wanted.key
    elif source.secret_key_ref is not None:
        secret_wanted = source.secret_key_ref
        secret = secrets.get(secret_wanted.name)
        if secret is not None and secret_wanted.key in secret.data:
            return secret.data[secret_wanted.key].decode(errors="replace")
        kind, word = "Secret", "secret"
        missing_object = secret is None
        optional, name, key = bool(secret_wanted.optional), secret_wanted.name, secret_wanted.key
    else:
        raise ConfigError(f"env {variable.name} has a source that is not supported")
    if optional:
        return None
    if missing_object:
        raise ConfigError(f'{word} "{name}" not found')
    raise ConfigError(f"couldn't find key {key} in {kind} {namespace}/{name}")


def service_environment(
    services: Iterable[Service], namespace: str, *, links: bool
) -> dict[str, str]:
    """The variables by which a container finds services: always the API server's; with `links`
    (the pod's enableServiceLinks) those of its own namespace, which win."""
    chosen: dict[str, Service] = {}
    for service in services:
        key = (service.metadata.namespace, service.metadata.name)
        if service.spec.cluster_ip in ("", "None") or not service.spec.ports:
            continue
        own = links and key[0] == namespace
        if own or (key == API_SERVICE and key[1] not in chosen):
            chosen[key[1]] = service
    env: dict[str, str] = {}
    for name in sorted(chosen):
        env.update(_service_variables(chosen[name]))
    return env


def _variable_word(name: str) -> str:
    return name.upper().replace("-", "_")


def _service_variables(service: Service) -> dict[str, str]:
    """`NAME_SERVICE_HOST/PORT` and the older Docker-link variables of one service."""
    prefix = _variable_word(service.metadata.name)
    address = service.spec.cluster_ip
    host = f"[{address}]" if ":" in address else address
    ports = service.spec.ports
    env = {f"{prefix}_SERVICE_HOST": address, f"{prefix}_SERVICE_PORT": str(ports[0].port)}
    for port in ports:
        if port.name:
            env[f"{prefix}_SERVICE_PORT_{_variable_word(port.name)}"] = str(port.port)
    for index, port in enumerate(ports):
        protocol = port.protocol or "TCP"
        url = f"{protocol.lower()}://{host}:{port.port}"
        if index == 0:
            env[f"{prefix}_PORT"] = url
        link = f"{prefix}_PORT_{port.port}_{protocol.upper()}"
        env[link] = url
        env[f"{link}_PROTO"] = protocol.lower()
        env[f"{link}_PORT"] = str(port.port)
        env[f"{link}_ADDR"] = address
    return env
