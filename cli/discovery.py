"""What the server serves, and which of it a word like `po`, `deploy` or `pods.v1.` means.

Two requests (aggregated discovery), kept on disk for some minutes so that most commands make none.
A word that the kept answer doesn't know is asked for anew.

Source: k8s.io/client-go/discovery, restmapper; kubectl's ~/.kube/cache.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

from cli.errors import CliError
from cli.http import Api, Tree

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
KEEP_SECONDS = 600


@dataclass(frozen=True)
class Resource:
    """One served resource."""

    group: str
    version: str
    kind: str
    plural: str
    singular: str
    namespaced: bool
    verbs: tuple[str, ...] = ()
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """`deployments.apps`, `pods`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def qualified_singular(self) -> str:
        """`deployment.apps`, `pod`: what names are prefixed with."""
        return f"{self.singular}.{self.group}" if self.group else self.singular

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        parts = ["/apis" if self.group else "/api", self.api_version]
        if self.namespaced and namespace:
            parts += ["namespaces", quote(namespace)]
        parts += [self.plural, *([quote(name)] if name else []), subresource]
        return "/".join(part for part in parts if part)


def parse(document: Tree) -> list[Resource]:
    """The resources of an APIGroupDiscoveryList, the preferred version of each group first."""
    found = []
    for group in document.get("items", ()):
        for version in group.get("versions", ()):
            for item in version.get("resources", ()):
                kind = item.get("responseKind", {})
                found.append(
                    Resource(
                        group.get("metadata", {}).get("name", ""),
                        version["version"],
                        kind.get("kind", ""),
                        item["resource"],
                        item.get("singularResource") or kind.get("kind", "").lower(),
                        item.get("scope") == "Namespaced",
                        tuple(item.get("verbs", ())),
                        tuple(item.get("shortNames", ())),
                        tuple(item.get("categories", ())),
                    )
                )
    return found


def find(word: str, resources: Iterable[Resource]) -> Resource | None:
    """The resource a word names: plural, singular, kind or short name; `.group`, `.version.group`."""
    name, _, rest = word.lower().partition(".")
    version, _, group = rest.partition(".")
    for resource in resources:
        names = (resource.plural, resource.singular, resource.kind.lower(), *resource.short_names)
        if name not in names:
            continue
        if not rest or rest == resource.group or (version, group) == (resource.version, resource.group):  # fmt: skip
            return resource
    return None


class Catalogue:
    """What one server serves, remembered in a file."""

    def __init__(self, api: Api, folder: Path | None = None) -> None:
        self._api = api
        folder = folder or _cache_folder()
        key = hashlib.sha256(api.config.server.encode()).hexdigest()[:16]
        self._file = folder / f"discovery-{key}.json"
        self._fresh = False
        self._resources: list[Resource] | None = None

    def all(self, *, fresh: bool = False) -> list[Resource]:
        if fresh and not self._fresh:
            self._resources = None
        if self._resources is None:
            self._resources = (None if fresh else self._kept()) or self._ask()
        return self._resources

    def resource(self, word: str) -> Resource:
        """The resource a user's word means; CliError when there is none."""
        found = find(word, self.all()) or find(word, self.all(fresh=True))
        if found is None:
            raise CliError(f'the server doesn\'t have a resource type "{word}"')
        return found

    def kind(self, api_version: str, kind: str) -> Resource | None:
        """The resource whose objects are of this kind."""
        for fresh in (False, True):
            for resource in self.all(fresh=fresh):
                if (resource.api_version, resource.kind) == (api_version, kind):
                    return resource
        return None

    def category(self, word: str) -> list[Resource]:
        """The resources of a category such as `all`."""
        return [one for one in self.all() if word in one.categories and "list" in one.verbs]

    def _ask(self) -> list[Resource]:
        found: list[Resource] = []
        for root in ("/api", "/apis"):
            found += parse(self._api.get(root, accept=AGGREGATED))
        self._fresh = True
        self._keep(found)
        return found

    def _kept(self) -> list[Resource] | None:
        try:
            if time.time() - self._file.stat().st_mtime > KEEP_SECONDS:
                return None
            rows = json.loads(self._file.read_bytes())
            return [_resource(row) for row in rows]
        except (OSError, ValueError, TypeError):
            return None

    def _keep(self, resources: list[Resource]) -> None:
        # A cache that can't be written only costs two requests.
        with suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=self._file.parent)
            with os.fdopen(descriptor, "w") as file:
                json.dump([asdict(resource) for resource in resources], file)
            Path(name).replace(self._file)


def _resource(row: Tree) -> Resource:
    values: Tree = {k: tuple(v) if isinstance(v, list) else v for k, v in row.items()}
    return Resource(**values)


def _cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "wherry"
