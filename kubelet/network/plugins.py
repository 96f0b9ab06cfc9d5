"""Starts one CNI plug-in once: its environment, its input, its result or its error.

Source: the CNI specification 1.1, sections 2 (parameters, errors) and 4; errors are worded as by
libcni (pkg/types/types.go, pkg/invoke/raw_exec.go), which is what people look for.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from kubelet.network.conf import CNI_VERSION

INTERFACE = "eth0"
PLUGIN_SECONDS_MAX = 60.0
OUTPUT_CHARS_MAX = 1000  # of what a plug-in says that is no error object
# Codes of the specification.
INCOMPATIBLE_VERSION, INVALID_ENVIRONMENT, TRY_AGAIN_LATER, NOT_AVAILABLE = 1, 4, 11, 50


class NetworkError(Exception):
    """A plug-in failed, or there is no network to join yet. `code` is the plug-in's, 0 = none."""

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Attachment:
    """Which sandbox, of which pod. `pid` is 0 when its namespace is gone (DEL only).

    capabilities: what plug-ins may ask for by name: portMappings, bandwidth, ipRanges
    """

    sandbox_id: str
    pid: int
    pod_namespace: str
    pod_name: str
    pod_uid: str
    port_mappings: tuple[Mapping[str, Any], ...] = ()
    bandwidth: Mapping[str, int] | None = None

    @property
    def arguments(self) -> str:
        return (
            f"IgnoreUnknown=1;K8S_POD_NAMESPACE={self.pod_namespace};"
            f"K8S_POD_NAME={self.pod_name};K8S_POD_UID={self.pod_uid};"
            f"K8S_POD_INFRA_CONTAINER_ID={self.sandbox_id}"
        )


class Plugins:
    """The plug-ins in some folders."""

    def __init__(self, bin_dirs: Sequence[Path]) -> None:
        self._bin_dirs = tuple(bin_dirs)
        self._versions: dict[tuple[str, int], tuple[str, ...]] = {}

    def path(self, kind: str) -> str:
        """Where it is; NetworkError when it is nowhere."""
        for folder in self._bin_dirs:
            if (folder / kind).is_file():
                return str(folder / kind)
        places = ", ".join(map(str, self._bin_dirs))
        raise NetworkError(f"failed to find plugin {kind!r} in path [{places}]")

    async def versions(self, kind: str) -> tuple[str, ...]:
        """The versions of the specification it speaks; asked once per file."""
        path = self.path(kind)
        key = (path, os.stat(path).st_mtime_ns)
        if key not in self._versions:
            asked = orjson.dumps({"cniVersion": CNI_VERSION})
            output = await self.run("VERSION", kind, "", asked, None)
            found = output.get("supportedVersions") if isinstance(output, dict) else None
            self._versions[key] = tuple(map(str, found or ()))
        return self._versions[key]

    async def run(
        self, command: str, kind: str, network: str, told: bytes, attachment: Attachment | None
    ) -> Any:
        """What it answers, parsed; None when it answers nothing. NetworkError when it fails."""
        environment = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "CNI_COMMAND": command,
            "CNI_PATH": ":".join(map(str, self._bin_dirs)),
            "CNI_CONTAINERID": "",
            "CNI_NETNS": "",
            "CNI_IFNAME": INTERFACE,
        }
        if attachment is not None:
            environment["CNI_CONTAINERID"] = attachment.sandbox_id
            environment["CNI_ARGS"] = attachment.arguments
            if attachment.pid:
                environment["CNI_NETNS"] = f"/proc/{attachment.pid}/ns/net"
        name = f' name="{network}"' if network else ""
        failed = f'plugin type="{kind}"{name} failed ({command.lower()})'
        try:
            # In a thread: there Python starts processes by vfork, the event loop by fork, which
            # would halt every pod of the node for the time it takes to copy our page tables.
            process = await asyncio.to_thread(
                subprocess.run,
                [self.path(kind)],
                input=told,
                capture_output=True,
                env=environment,
                timeout=PLUGIN_SECONDS_MAX,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise NetworkError(f"{failed}: no answer in {PLUGIN_SECONDS_MAX:.0f} s") from None
        except OSError as error:  # not executable, or of another machine's kind
            raise NetworkError(f"{failed}: {error}") from error
        if process.returncode:
            text, code = failure(process.stdout, process.stderr)
            raise NetworkError(f"{failed}: {text}", code)
        try:
            return orjson.loads(process.stdout) if process.stdout.strip() else None
        except orjson.JSONDecodeError as error:
            raise NetworkError(f"{failed}: its result is no JSON: {error}") from error


def failure(output: bytes, complaint: bytes) -> tuple[str, int]:
    """A failed plug-in's words and error code (0 = none), of its standard output and error. Pure."""
    said = output.decode(errors="replace").strip()[:OUTPUT_CHARS_MAX]
    if not said:
        words = complaint.decode(errors="replace").strip()[:OUTPUT_CHARS_MAX]
        return (
            f"netplugin failed: {words}" if words else "netplugin failed with no error message",
            0,
        )
    try:
        tree = orjson.loads(output)
        code = int(tree.get("code") or 0)
        text = "; ".join(str(tree[field]) for field in ("msg", "details") if tree.get(field))
    except (ValueError, TypeError, AttributeError):
        return f"netplugin failed: {said}", 0
    return f"{text} (code {code})" if code else text or "netplugin failed", code
