"""Which resources the server serves, by its aggregated discovery: two requests, any kind.

For controllers that treat all kinds alike (namespaces, garbage collection). Kinds added later, by a
custom resource or another server, take part without a change here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from wherry.api.scheme import Resource
from wherry.client.rest import Client

ACCEPT = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


@dataclass(frozen=True, slots=True)
class Discovered:
    """resources: each once, in its preferred version. stale: groups whose server is away."""

    resources: tuple[Resource, ...]
    stale: tuple[str, ...]


async def discover(client: Client) -> Discovered:
    """What is served now."""
    core = await client.request("GET", "/api", accept=ACCEPT)
    rest = await client.request("GET", "/apis", accept=ACCEPT)
    return parse(orjson.loads(core.body), orjson.loads(rest.body))


def parse(*documents: Mapping[str, Any]) -> Discovered:
    """Read APIGroupDiscoveryList trees; versions come in the order of preference."""
    found: dict[tuple[str, str], Resource] = {}
    stale: list[str] = []
    for document in documents:
        for item in document.get("items", ()):
            group = item.get("metadata", {}).get("name", "")
            for version in item.get("versions", ()):
                if version.get("freshness") == "Stale":
                    stale.append(f"{group}/{version['version']}")
                for entry in version.get("resources", ()):
                    resource = _resource(group, version["version"], entry)
                    found.setdefault((group, resource.plural), resource)
    return Discovered(tuple(found.values()), tuple(stale))


def _resource(group: str, version: str, entry: Mapping[str, Any]) -> Resource:
    return Resource(
        group=group,
        version=version,
        kind=entry.get("responseKind", {}).get("kind", ""),
        plural=entry["resource"],
        module="",
        namespaced=entry.get("scope") == "Namespaced",
        verbs=tuple(entry.get("verbs", ())),
    )


def supports(resource: Resource, *verbs: str) -> bool:
    return all(verb in resource.verbs for verb in verbs)
