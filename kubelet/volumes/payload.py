"""What files a ConfigMap, Secret, downwardAPI or projected volume holds.

Pure: objects and tokens are handed in by `needs`/`gathered`; the result is a mapping from relative
path to content and mode, which `atomic.py` puts on disk. Texts of refusals as upstream words them.

Source: upstream's pkg/volume/{configmap,secret,downwardapi,projected}.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from kubelet.downward import (
    Addresses,
    FieldRefError,
    field_value,
    referenced_container,
    resource_value,
)
from kubelet.volumes.interface import Token, VolumeError
from wherry.api.core_v1 import (
    ConfigMap,
    DownwardAPIVolumeFile,
    KeyToPath,
    Node,
    Pod,
    Secret,
    ServiceAccountTokenProjection,
    Volume,
    VolumeProjection,
)

MODE_DEFAULT = 0o644
TOKEN_SECONDS_DEFAULT = 3600
# A token for one user or group of the pod is nobody else's to read.
TOKEN_MODE_OWNED = 0o600


@dataclass(frozen=True)
class File:
    content: bytes
    mode: int
    owner: int | None = None  # uid, when it is not root's


Payload = Mapping[str, File]


@dataclass(frozen=True)
class Gathered:
    """All that a pod's payload volumes are made from."""

    config_maps: Mapping[str, ConfigMap | None] = field(default_factory=dict)
    secrets: Mapping[str, Secret | None] = field(default_factory=dict)
    tokens: Mapping[tuple[str, int], Token] = field(default_factory=dict)
    addresses: Addresses = field(default_factory=Addresses)
    node: Node | None = None


@dataclass(frozen=True)
class Needs:
    """The names of what a volume is made from."""

    config_maps: frozenset[str] = frozenset()
    secrets: frozenset[str] = frozenset()
    tokens: frozenset[tuple[str, int]] = frozenset()

    def __or__(self, other: Needs) -> Needs:
        return Needs(
            self.config_maps | other.config_maps,
            self.secrets | other.secrets,
            self.tokens | other.tokens,
        )


def token_key(source: ServiceAccountTokenProjection) -> tuple[str, int]:
    """Audience and lifetime: what tells one token of a pod from another."""
    return source.audience, source.expiration_seconds or TOKEN_SECONDS_DEFAULT


def needs(volume: Volume) -> Needs:
    """Which objects and tokens the volume is made from."""
    if volume.config_map is not None:
        return Needs(config_maps=frozenset((volume.config_map.name,)))
    if volume.secret is not None:
        return Needs(secrets=frozenset((volume.secret.secret_name,)))
    found = Needs()
    for source in volume.projected.sources if volume.projected is not None else ():
        if source.config_map is not None:
            found |= Needs(config_maps=frozenset((source.config_map.name,)))
        if source.secret is not None:
            found |= Needs(secrets=frozenset((source.secret.name,)))
        if source.service_account_token is not None:
            found |= Needs(tokens=frozenset((token_key(source.service_account_token),)))
    return found


def is_made_of_objects(volume: Volume) -> bool:
    """Whether its files change with what they are made of."""
    made_of = (volume.config_map, volume.secret, volume.downward_api, volume.projected)
    return any(source is not None for source in made_of)


def payload(pod: Pod, volume: Volume, have: Gathered) -> Payload | None:
    """The volume's files; None when it isn't a payload volume; VolumeError when it can't be made."""
    try:
        if volume.config_map is not None:
            source = volume.config_map
            found = have.config_maps.get(source.name)
            mode = _mode(source.default_mode)
            return _config_map(source.name, found, source.items, mode, bool(source.optional))
        if volume.secret is not None:
            wanted = volume.secret
            held = have.secrets.get(wanted.secret_name)
            mode = _mode(wanted.default_mode)
            return _secret(wanted.secret_name, held, wanted.items, mode, bool(wanted.optional))
        if volume.downward_api is not None:
            return _downward(
                pod, volume.downward_api.items, _mode(volume.downward_api.default_mode), have
            )
        if volume.projected is not None:
            files: dict[str, File] = {}
            for projection in volume.projected.sources:
                mode = _mode(volume.projected.default_mode)
                files.update(_projection(pod, projection, mode, have))
            return files
    except FieldRefError as error:
        raise VolumeError("FailedMount", str(error)) from error
    return None


def _mode(given: int | None) -> int:
    return MODE_DEFAULT if given is None else given


def _projection(pod: Pod, source: VolumeProjection, mode: int, have: Gathered) -> Payload:
    if source.config_map is not None:
        wanted = source.config_map
        return _config_map(
            wanted.name,
            have.config_maps.get(wanted.name),
            wanted.items,
            mode,
            bool(wanted.optional),
        )
    if source.secret is not None:
        hidden = source.secret
        held = have.secrets.get(hidden.name)
        return _secret(hidden.name, held, hidden.items, mode, bool(hidden.optional))
    if source.downward_api is not None:
        return _downward(pod, source.downward_api.items, mode, have)
    if source.service_account_token is not None:
        token = have.tokens[token_key(source.service_account_token)]
        owner = sole_user(pod)
        context = pod.spec.security_context
        grouped = context is not None and context.fs_group is not None
        private = owner is not None or grouped
        content = token.text.encode()
        file = File(content, TOKEN_MODE_OWNED if private else mode, owner)
        return {source.service_account_token.path: file}
    raise VolumeError("FailedMount", "a projected source of this kind is not supported")


def sole_user(pod: Pod) -> int | None:
    """The one user id that all containers run as, if they say so."""
    context = pod.spec.security_context
    common = context.run_as_user if context is not None else None
    users = set()
    for container in (*pod.spec.init_containers, *pod.spec.containers):
        own = container.security_context
        users.add(common if own is None or own.run_as_user is None else own.run_as_user)
    return users.pop() if len(users) == 1 else None


def _config_map(
    name: str, found: ConfigMap | None, items: Iterable[KeyToPath], mode: int, optional: bool
) -> Payload:
    if found is None:
        if optional:
            return {}
        raise VolumeError("FailedMount", f'configmap "{name}" not found')
    data = {key: text.encode() for key, text in found.data.items()} | dict(found.binary_data)
    return _keys("config", data, items, mode, optional)


def _secret(
    name: str, found: Secret | None, items: Iterable[KeyToPath], mode: int, optional: bool
) -> Payload:
    if found is None:
        if optional:
            return {}
        raise VolumeError("FailedMount", f'secret "{name}" not found')
    return _keys("secret", found.data, items, mode, optional)


def _keys(
    what: str, data: Mapping[str, bytes], items: Iterable[KeyToPath], mode: int, optional: bool
) -> Payload:
    """All keys, or those that `items` choose, under the paths they give."""
    chosen = list(items)
    if not chosen:
        return {key: File(content, mode) for key, content in data.items()}
    files: dict[str, File] = {}
    for item in chosen:
        if item.key in data:
            files[item.path] = File(data[item.key], mode if item.mode is None else item.mode)
        elif not optional:
            raise VolumeError("FailedMount", f"references non-existent {what} key: {item.key}")
    return files


def _downward(
    pod: Pod, items: Iterable[DownwardAPIVolumeFile], mode: int, have: Gathered
) -> Payload:
    files: dict[str, File] = {}
    for item in items:
        if item.field_ref is not None:
            text = field_value(pod, item.field_ref.field_path, have.addresses)
        elif item.resource_field_ref is not None:
            owner = referenced_container(pod, item.resource_field_ref)
            text = resource_value(owner, item.resource_field_ref, have.node)
        else:
            continue
        files[item.path] = File(text.encode(), mode if item.mode is None else item.mode)
    return files
