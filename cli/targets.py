"""What the words after a verb name: kinds, and maybe objects. Pure but for the catalogue's look-ups.

    pods            pods a b        pods,svc        pod/a svc/b       all

Source: k8s.io/cli-runtime/pkg/resource Builder.ResourceTypeOrNameArgs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from cli.discovery import Resource
from cli.errors import CliError


class Kinds(Protocol):
    """The look-ups of `discovery.Catalogue`."""

    def resource(self, word: str) -> Resource: ...

    def category(self, word: str) -> list[Resource]: ...


@dataclass(frozen=True)
class Target:
    """All objects of a resource, or those named."""

    resource: Resource
    names: tuple[str, ...] = ()


def targets(words: Sequence[str], kinds: Kinds) -> list[Target]:
    """The targets in the order given; CliError when the words don't fit together."""
    if not words:
        raise CliError("You must specify the type of resource, such as pods or deployment/web")
    if any("/" in word for word in words):
        return _slashed(words, kinds)
    found: list[Resource] = []
    for word in words[0].split(","):
        if not word:
            raise CliError(f'there is an empty resource type in "{words[0]}"')
        found += kinds.category(word) or [kinds.resource(word)]
    found = list(dict.fromkeys(found))
    return [Target(resource, tuple(words[1:])) for resource in found]


def _slashed(words: Sequence[str], kinds: Kinds) -> list[Target]:
    found: list[Target] = []
    for word in words:
        kind, slash, name = word.partition("/")
        if not slash:
            raise CliError(
                "there is no need to specify a resource type as a separate argument when passing "
                "arguments in resource/name form (e.g. 'wherry get resource/<resource_name>' "
                "instead of 'wherry get resource resource/<resource_name>'"
            )
        if not kind or not name or "/" in name:
            message = "arguments in resource/name form must have a single resource and name"
            raise CliError(message)
        found.append(Target(kinds.resource(kind), (name,)))
    return found


def one_object(words: Sequence[str], kinds: Kinds, default: str = "") -> tuple[Resource, str]:
    """Exactly one object: `kind/name`, `kind name`, or a bare name of the default kind."""
    if len(words) == 1 and "/" not in words[0] and default:
        return kinds.resource(default), words[0]
    found = targets(words, kinds)
    if len(found) != 1 or len(found[0].names) != 1:
        raise CliError("exactly one object must be named, as in deployment/web")
    return found[0].resource, found[0].names[0]
