"""Makes, changes and deletes random pods on one machine while daemons and containers are killed."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from tests.e2e import soak_shapes as shapes
from tests.e2e.soak_world import EngineAway, World
from wherry.api.core_v1 import Pod
from wherry.api.errors import ApiError
from wherry.client.rest import ApiUnavailable, Client

MERGE = "application/merge-patch+json"
REQUEST_SECONDS_MAX = 10.0
PAUSE_SECONDS_MAX = 0.25
FAULT_SECONDS = 5.0
STATIC_MAX = 3
STATUS_SECONDS_MAX = 120.0  # back-offs of daemons that were killed often, on a loaded machine
# Every fault comes once before one comes again; the commonest are named more often.
FAULTS = (
    "kubelet", "box", "app", "lost", "apiserver", "kubelet", "engine", "app", "boxlost", "hang",
)  # fmt: skip
HANG_SECONDS_MAX = 8.0


@dataclass
class Soak:
    """`pods_max` at a time in `namespace`. All that is done hangs on the dice."""

    world: World
    client: Client
    dice: random.Random
    namespace: str
    pods_max: int
    uids: set[str] = field(default_factory=set)
    done: dict[str, int] = field(default_factory=dict)
    _alive: list[str] = field(default_factory=list)
    _static: list[str] = field(default_factory=list)
    _number: int = 0
    _faults: list[str] = field(default_factory=list)

    async def run(self, seconds: float) -> None:
        """Random deeds for so long."""
        ends = time.monotonic() + seconds
        fault_at = time.monotonic() + FAULT_SECONDS
        while time.monotonic() < ends:
            await self._try(self.dice.choices(*self._deeds())[0])
            if time.monotonic() > fault_at:
                fault_at = time.monotonic() + FAULT_SECONDS
                await self._try(self._fault)
            await asyncio.sleep(self.dice.uniform(0, PAUSE_SECONDS_MAX))

    def _deeds(self) -> tuple[list[Callable[[], Awaitable[None]]], list[int]]:
        weights = {
            self.create: 40, self.delete: 24, self.label: 8, self.image: 4, self.config: 4,
            self.late: 2, self.static: 4, self.ephemeral: 2,
        }  # fmt: skip
        return list(weights), list(weights.values())

    async def _try(self, deed: Callable[[], Awaitable[None]]) -> None:
        name = getattr(deed, "__name__", "")
        self.done[name] = self.done.get(name, 0) + 1
        with suppress(ApiUnavailable, TimeoutError):
            try:
                await deed()
            except ApiError as error:
                # What raced with a deletion, or met a server that is just starting.
                if error.code not in (403, 404, 409, 422, 429, 500, 503, 504):
                    raise

    async def _ask(self, method: str, path: str, body: Any = None, kind: str | None = None) -> Any:
        response = await self.client.request(
            method, path, body=body, content_type=kind, timeout=REQUEST_SECONDS_MAX
        )
        return json.loads(response.body)

    def _path(self, kind: str, name: str = "") -> str:
        path = f"/api/v1/namespaces/{self.namespace}/{kind}"
        return f"{path}/{name}" if name else path

    # -- deeds

    async def prepare(self) -> None:
        await self._ask("POST", self._path("configmaps"), _object("ConfigMap", shapes.CONFIG_MAP))
        await self._ask("POST", self._path("secrets"), _object("Secret", shapes.SECRET))

    async def create(self) -> None:
        if len(self._alive) >= self.pods_max:
            return await self.delete()
        self._number += 1
        name = f"p{self._number}"
        tree = shapes.pod(self.dice, name, self.namespace, self.world.machine)
        self._alive.append(name)  # whatever the server says: its answer may have been lost
        made = await self._ask("POST", self._path("pods"), tree)
        self.uids.add(made["metadata"]["uid"])
        return None

    async def delete(self) -> None:
        if not self._alive:
            return
        name = self.dice.choice(self._alive)
        grace = self.dice.choice((None, None, 0, 1, 2))
        options = {} if grace is None else {"gracePeriodSeconds": grace}
        try:
            await self._ask("DELETE", self._path("pods", name), options)
        except ApiError as error:
            if error.code != 404:
                raise
        self._alive.remove(name)

    async def _patch(self, kind: str, name: str, tree: dict[str, Any]) -> None:
        await self._ask("PATCH", self._path(kind, name), tree, MERGE)

    async def label(self) -> None:
        if self._alive:
            value = str(self.dice.randrange(1000))
            name = self.dice.choice(self._alive)
            await self._patch("pods", name, {"metadata": {"labels": {shapes.LABEL: value}}})

    async def image(self) -> None:
        if self._alive:
            path = self._path("pods", self.dice.choice(self._alive))
            body = {"spec": {"containers": [{"name": "c0", "image": shapes.OTHER_IMAGE}]}}
            await self._ask("PATCH", path, body, "application/strategic-merge-patch+json")

    async def ephemeral(self) -> None:
        if self._alive:
            path = self._path("pods", self.dice.choice(self._alive)) + "/ephemeralcontainers"
            one = shapes.container(self.dice, f"e{self._number}-{self.dice.randrange(100)}")
            one.pop("resources", None)
            body = {"spec": {"ephemeralContainers": [one]}}
            await self._ask("PATCH", path, body, "application/strategic-merge-patch+json")

    async def config(self) -> None:
        value = str(self.dice.randrange(1000))
        await self._patch("configmaps", shapes.CONFIG_MAP, {"data": {"key": value}})

    async def late(self) -> None:
        """What some pods wait for comes and goes."""
        try:
            await self._ask("POST", self._path("configmaps"), _object("ConfigMap", shapes.LATE))
        except ApiError as error:
            if error.code != 409:
                raise
            await self._ask("DELETE", self._path("configmaps", shapes.LATE))

    async def static(self) -> None:
        """A manifest comes, changes or goes."""
        self.world.manifests.mkdir(parents=True, exist_ok=True)
        if self._static and (len(self._static) >= STATIC_MAX or self.dice.random() < 0.3):
            name = self._static.pop(self.dice.randrange(len(self._static)))
            (self.world.manifests / f"{name}.json").unlink()
            return
        name = f"static{self.dice.randrange(STATIC_MAX)}"
        tree = shapes.static_pod(self.dice, name, self.namespace)
        draft = self.world.manifests / f".{name}"
        draft.write_text(json.dumps(tree))
        draft.rename(self.world.manifests / f"{name}.json")
        if name not in self._static:
            self._static.append(name)

    # -- faults

    async def _fault(self) -> None:
        if not self._faults:
            self._faults = self.dice.sample(FAULTS, len(FAULTS))
        name = self._faults.pop()
        self.done[f"fault {name}"] = self.done.get(f"fault {name}", 0) + 1
        if name == "hang":
            return await self._hang()
        daemons = {
            "kubelet": f"{self.world.machine}/kubelet", "engine": f"{self.world.machine}/dockerd",
            "apiserver": "apiserver",
        }  # fmt: skip
        if name in daemons:
            pid = self.world.cluster.daemon_pid(daemons[name])
            if pid:
                os.kill(pid, signal.SIGKILL)
            return
        await asyncio.to_thread(self._harm, "sandbox" if "box" in name else "container", "lost" in name)  # fmt: skip

    async def _hang(self) -> None:
        """The engine stands still for a while."""
        pid = self.world.cluster.daemon_pid(f"{self.world.machine}/dockerd")
        if not pid:
            return
        try:
            os.kill(pid, signal.SIGSTOP)
            await asyncio.sleep(self.dice.uniform(1, HANG_SECONDS_MAX))
        finally:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def _harm(self, kind: str, remove: bool) -> None:
        """Kill, or take away, one container behind the kubelet's back."""
        try:
            running = [
                one
                for one in self.world.containers(everyone=False)
                if one["State"]["Running"] and one["Config"]["Labels"]["io.wherry.type"] == kind
            ]
            if not running:
                return
            victim = self.dice.choice(sorted(running, key=lambda one: str(one["Name"])))
            if remove:
                self.world.docker("rm", "--force", "--volumes", victim["Id"])
                return
            with suppress(ProcessLookupError):
                os.kill(victim["State"]["Pid"], signal.SIGKILL)
        except EngineAway:
            return

    # -- how it is

    async def pods(self) -> list[dict[str, Any]]:
        """All pods of the machine, as the API shows them."""
        path = f"/api/v1/pods?fieldSelector=spec.nodeName%3D{self.world.machine}"
        found: list[dict[str, Any]] = (await self._ask("GET", path))["items"]
        for pod in found:
            pod["metadata"].setdefault("annotations", {})
            self.uids.add(pod["metadata"]["annotations"].get("kubernetes.io/config.mirror", ""))
            self.uids.add(pod["metadata"]["uid"])
        return found

    async def until(
        self, wrong: Callable[[], Awaitable[list[str]]], seconds: float = STATUS_SECONDS_MAX
    ) -> float:
        """Wait until nothing is wrong; how long that took. What still is, is the failure."""
        begun = time.monotonic()
        while True:
            try:
                words = await wrong()
            except (ApiError, ApiUnavailable, TimeoutError) as error:
                words = [f"the API server: {error}"]
            except EngineAway as error:
                words = [f"the engine: {error}"]
            if not words:
                return time.monotonic() - begun
            assert time.monotonic() - begun < seconds, "\n".join(words)
            await asyncio.sleep(0.5)

    async def untrue(self) -> list[str]:
        """What does not agree with the engine, neither as told before it was looked at nor after: with a
        hundred pods that takes seconds, in which some end or are restarted."""
        before = await self.pods()
        here = await asyncio.to_thread(self.world.containers, everyone=False)
        after = self.world.untrue(await self.pods(), here)
        return [words for words in self.world.untrue(before, here) if words in after]

    async def left(self) -> list[str]:
        found = await asyncio.to_thread(self.world.left)
        return found + await asyncio.to_thread(self.world.groups, sorted(self.uids - {""}))

    async def clear(self) -> None:
        """Delete every pod and manifest, and wait until the API has none."""
        for name in self._static:
            (self.world.manifests / f"{name}.json").unlink()
        self._static.clear()

        async def deleted() -> list[str]:
            found = await self.client.list(Pod, self.namespace)
            mine = [pod for pod in found.items if not pod.metadata.deletion_timestamp]
            for pod in mine:
                with suppress(ApiError):
                    await self.client.delete(Pod, pod.metadata.name, self.namespace)
            return [f"pod {pod.metadata.name} {pod.status.phase}" for pod in found.items]

        await self.until(deleted)
        self._alive.clear()


def _object(kind: str, name: str) -> dict[str, Any]:
    field, value = ("data", "0") if kind == "ConfigMap" else ("stringData", "s")
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, field: {"key": value}}
