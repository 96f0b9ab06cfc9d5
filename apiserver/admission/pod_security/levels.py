"""Levels, versions, and the policy that a namespace's labels choose.

Source: k8s.io/pod-security-admission/api/helpers.go.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from wherry.api.errors import FieldError, invalid

PREFIX: Final = "pod-security.kubernetes.io/"
MODES: Final = ("enforce", "audit", "warn")
PRIVILEGED, BASELINE, RESTRICTED = LEVELS = ("privileged", "baseline", "restricted")
LATEST: Final = "latest"
_KEYS: Final = frozenset(f"{PREFIX}{mode}{end}" for mode in MODES for end in ("", "-version"))
_BAD_LEVEL: Final = f"must be one of {', '.join(LEVELS)}"
_BAD_VERSION: Final = 'must be "latest" or "v1.x"'
_VERSION: Final = re.compile(r"v1\.(0|[1-9][0-9]*)")
# Wide enough for every version there will be, and no digits to spend time on.
_VERSION_CHARACTERS_MAX: Final = 12


class Standard(NamedTuple):
    """A level as of a version: `latest` or `v1.N`."""

    level: str = PRIVILEGED
    version: str = LATEST

    def __str__(self) -> str:
        return f"{self.level}:{self.version}"

    @property
    def minor(self) -> int | None:
        """N of v1.N; None for the latest."""
        return None if self.version == LATEST else int(self.version[3:])


class Policy(NamedTuple):
    enforce: Standard = Standard()
    audit: Standard = Standard()
    warn: Standard = Standard()

    @property
    def is_privileged(self) -> bool:
        return all(standard.level == PRIVILEGED for standard in self)


def strictness(level: str) -> int:
    return LEVELS.index(level)


def check_level(level: str) -> str:
    """What is wrong with it; "" when nothing is."""
    return "" if level in LEVELS else _BAD_LEVEL


def check_version(version: str) -> str:
    """What is wrong with it; "" when nothing is."""
    if version == LATEST:
        return ""
    fits = len(version) <= _VERSION_CHARACTERS_MAX and _VERSION.fullmatch(version)
    return "" if fits else _BAD_VERSION


def policy_of(labels: Mapping[str, str], defaults: Policy) -> tuple[Policy, list[FieldError]]:
    """What labels choose, and what is wrong with them.

    Always gives a policy: a label that makes no sense is read as the strictest when enforced, and as
    nothing when only told. Who enforces more than is warned of, is warned of that too.
    """
    if labels.keys().isdisjoint(_KEYS):
        return defaults, []
    errors: list[FieldError] = []
    enforce = _mode(labels, "enforce", defaults.enforce, RESTRICTED, errors)
    audit = _mode(labels, "audit", defaults.audit, PRIVILEGED, errors)
    warn = _mode(labels, "warn", defaults.warn, PRIVILEGED, errors)
    says = PREFIX + "enforce" in labels and PREFIX + "warn" not in labels
    if says and strictness(enforce.level) > strictness(warn.level):
        keeps_version = f"{PREFIX}warn-version" in labels
        warn = Standard(enforce.level, warn.version if keeps_version else enforce.version)
    return Policy(enforce, audit, warn), errors


def _mode(
    labels: Mapping[str, str], mode: str, default: Standard, bad: str, errors: list[FieldError]
) -> Standard:
    level = labels.get(PREFIX + mode, default.level)
    version = labels.get(f"{PREFIX}{mode}-version", default.version)
    if why := check_level(level):
        errors.append(invalid(f"metadata.labels[{PREFIX}{mode}]", level, why))
        level = bad
    if why := check_version(version):
        errors.append(invalid(f"metadata.labels[{PREFIX}{mode}-version]", version, why))
        version = LATEST
    return Standard(level, version)
