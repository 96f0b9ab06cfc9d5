"""Seccomp profiles of type Localhost: JSON files below the kubelet's own folder.

Source: kubernetes.io/docs/tutorials/security/seccomp.
"""

from __future__ import annotations

from pathlib import Path

import orjson

from kubelet.env import ConfigError
from kubelet.pods.container_config import seccomp_profile
from wherry.api.core_v1 import Container, Pod

PROFILE_BYTES_MAX = 1024 * 1024


def load(root: Path, pod: Pod, container: Container) -> dict[str, str]:
    """The profiles the container needs, by name; ConfigError when one can't be used. Blocking."""
    profile = seccomp_profile(pod, container)
    if profile is None or profile.type != "Localhost":
        return {}
    name = profile.localhost_profile or ""
    path = (root / name).resolve()
    if not name or not path.is_relative_to(root.resolve()):
        raise ConfigError(f"seccomp profile {name!r} is not below {root}")
    try:
        text = path.read_bytes()[:PROFILE_BYTES_MAX]
        orjson.loads(text)
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot load seccomp profile {path}: {error}") from error
    return {name: text.decode()}
