"""What was made for each sandbox, one file each: what ADD was given and what it answered.

What does not survive the power does not matter: neither does any sandbox. A file that makes no sense is
set aside (`state_files.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from kubelet import state_files
from kubelet.network import conf
from kubelet.network.conf import Network
from kubelet.state_files import Say

CHECK_SINCE = "0.4.0"


@dataclass(frozen=True, slots=True)
class Kept:
    """What is on disk of one sandbox. `result` None: ADD has not come to its end.

    rebuilt: the file was lost; the result is what was seen in the sandbox
    passed: the plug-ins whose CHECK has found it well before
    """

    network: Network
    result: Mapping[str, Any] | None
    capabilities: Mapping[str, Any]
    pod: tuple[str, str, str] = ("", "", "")
    rebuilt: bool = False
    passed: tuple[str, ...] = ()

    @property
    def can_check(self) -> bool:
        return (
            self.result is not None
            and not self.rebuilt
            and self.network.checks
            and self.network.speaks(CHECK_SINCE)
        )


class Results:
    """The files of a folder, which is made."""

    def __init__(self, folder: Path, say: Say) -> None:
        self._folder = folder
        self._say = say
        folder.mkdir(parents=True, exist_ok=True)

    def ids(self) -> set[str]:
        """Sandboxes that were added and not yet deleted."""
        return {path.stem for path in self._folder.glob("*.json")}

    def exists(self, sandbox_id: str) -> bool:
        return self._path(sandbox_id).exists()

    def remove(self, sandbox_id: str) -> None:
        """OSError when the disk does not let us."""
        self._path(sandbox_id).unlink(missing_ok=True)

    def _path(self, sandbox_id: str) -> Path:
        return self._folder / f"{sandbox_id}.json"

    def write(self, sandbox_id: str, kept: Kept) -> None:
        """OSError when the disk does not let us."""
        network = kept.network
        tree = {
            "name": network.name,
            "cniVersion": network.cni_version,
            "disableCheck": not network.checks,
            "disableGC": not network.collects,
            "plugins": list(network.plugins),
            "result": kept.result,
            "capabilities": kept.capabilities,
            "pod": kept.pod,
            "rebuilt": kept.rebuilt,
            "passed": kept.passed,
        }
        state_files.write(self._path(sandbox_id), tree, sync=False)

    def read(self, sandbox_id: str) -> Kept | None:
        """None when there is none, or none that makes sense."""
        return state_files.read(self._path(sandbox_id), _kept, self._say)


def _kept(tree: Any) -> Kept:
    network = conf.parse(orjson.dumps(tree), "kept network")
    result = tree.get("result")
    if result is not None:
        conf.addresses(result)
    namespace, name, uid = tree.get("pod") or ("", "", "")
    return Kept(
        network,
        result,
        dict(tree.get("capabilities") or {}),
        (namespace, name, uid),
        bool(tree.get("rebuilt")),
        tuple(map(str, tree.get("passed") or ())),
    )
