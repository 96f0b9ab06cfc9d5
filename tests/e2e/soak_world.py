"""What a node must look like: every pod's status true, and nothing left of pods that have gone."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.support import Cluster, run

NODE_LABEL, UID_LABEL = "io.wherry.node", "io.kubernetes.pod.uid"
GAUGES = ("wherry_kubelet_tasks", "wherry_kubelet_pod_workers", "process_open_fds")
_STATUSES = ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")


class EngineAway(Exception):
    """The engine did not do it: it is being restarted, or the container has gone."""


@dataclass(frozen=True)
class World:
    """One machine of a lab."""

    cluster: Cluster
    machine: str

    @property
    def root(self) -> Path:
        return self.cluster.directory / self.machine / "kubelet"

    @property
    def manifests(self) -> Path:
        return self.cluster.directory / self.machine / "manifests"

    def containers(self, *, everyone: bool = True) -> list[dict[str, Any]]:
        """Inspected: those with our label, or of pods (also without it)."""
        label = UID_LABEL if everyone else NODE_LABEL
        ids = self.docker("ps", "-aq", "--no-trunc", "--filter", f"label={label}").split()
        if not ids:
            return []
        # Some may have gone meanwhile: then the others are shown, and it fails.
        found: list[dict[str, Any]] = json.loads(self.docker("inspect", *ids, check=False) or "[]")
        return found

    def docker(self, *words: str, check: bool = True) -> str:
        """What the engine's own client prints; EngineAway when it fails."""
        socket = self.cluster.directory / self.machine / "docker.sock"
        done = run("docker", "-H", f"unix://{socket}", *words, check=False)
        if check and done.returncode:
            raise EngineAway(done.stderr.strip())
        return done.stdout

    def on(self, *command: str) -> str:
        return self.cluster.on(self.machine, *command, check=False)

    def gauges(self) -> dict[str, float]:
        """How many tasks and open files the kubelet has."""
        address = self.cluster.lab.wires.address(self.machine)
        text = self.on("busybox", "wget", "-qO-", f"http://{address}:10248/metrics")
        return {
            name: float(found.group(1))
            for name in GAUGES
            if (found := re.search(rf"^{name} (\S+)$", text, re.MULTILINE))
        }

    # -- nothing is left

    def left(self) -> list[str]:
        """What is on the machine though no pod is; empty is well."""
        return [
            *(f"container {one['Name']} {one['State']['Status']}" for one in self.containers()),
            *(f"mount {one}" for one in self._mounts()),
            *(f"folder {one}" for one in _entries(self.root / "pods")),
            *(f"address {one}" for one in self._addresses()),
            *(f"network result {one}" for one in _entries(self.root / "cni" / "results")),
            *(f"bridge port {one}" for one in self._ports()),
            *(f"rule {one}" for one in self._rules()),
        ]

    def _mounts(self) -> list[str]:
        points = (line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines())
        return [point for point in points if point.startswith(f"{self.root}/")]

    def _addresses(self) -> list[str]:
        leases = self.root / "cni" / "leases"
        return [one.name for one in leases.glob("*/*") if re.match(r"[0-9a-f]+[.:]", one.name)]

    def _ports(self) -> list[str]:
        text = self.on("ip", "-j", "link", "show", "master", "wherry0").strip()
        return [link["ifname"] for link in json.loads(text or "[]")]

    def _rules(self) -> list[str]:
        """Of the portmap plug-in: its own chains stay, those of a pod must not."""
        rules = self.on("iptables-save", "-t", "nat").splitlines()
        return [rule for rule in rules if re.match(r":CNI-(DN|SN)-[0-9a-f]{10}", rule)]

    def groups(self, uids: Iterable[str]) -> list[str]:
        """Control groups of pods."""
        wanted = {f"pod{uid}" for uid in uids}
        tops = [Path("/sys/fs/cgroup"), *Path("/sys/fs/cgroup").iterdir()]
        return [
            str(found)
            for top in tops
            for level in ("kubepods", "kubepods/burstable", "kubepods/besteffort")
            for found in (top / level).glob("pod*")
            if found.name in wanted
        ]

    # -- statuses are true

    def untrue(self, pods: Iterable[dict[str, Any]], here: Iterable[dict[str, Any]]) -> list[str]:
        """Where the API's pods of this node and the engine's containers do not agree."""
        containers = {one["Id"]: one for one in here}
        wrong = []
        known = set()
        for pod in pods:
            uid = (
                pod["metadata"]["annotations"].get("kubernetes.io/config.mirror")
                or (pod["metadata"]["uid"])
            )
            known.add(uid)
            mine = {k: c for k, c in containers.items() if c["Config"]["Labels"][UID_LABEL] == uid}
            name = pod["metadata"]["name"]
            wrong += [f"{name}: {words}" for words in _untrue(pod, mine)]
        for one in containers.values():
            if one["Config"]["Labels"][UID_LABEL] not in known and one["State"]["Running"]:
                wrong.append(f"{one['Name']} runs and nobody knows its pod")
        return wrong


def _entries(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir()) if folder.is_dir() else []


def _untrue(pod: dict[str, Any], containers: dict[str, Any]) -> list[str]:
    status = pod["status"]
    said = [one for field in _STATUSES for one in status.get(field, ())]
    wrong = [words for one in said for words in _untrue_container(one, containers)]
    running = [c for c in containers.values() if c["State"]["Running"]]
    apps = [c for c in running if c["Config"]["Labels"]["io.wherry.type"] == "container"]
    shown = sum("running" in one["state"] for one in said)
    if len(apps) != shown:
        wrong.append(f"{len(apps)} containers run, {shown} are said to")
    if status["phase"] in ("Succeeded", "Failed") and running:
        wrong.append(f"{status['phase']}, and {len(running)} containers run")
    return wrong


def _untrue_container(said: dict[str, Any], containers: dict[str, Any]) -> list[str]:
    name = said["name"]
    mine = [c for c in containers.values() if _label(c, "io.kubernetes.container.name") == name]
    attempts = [int(_label(c, "io.wherry.attempt")) for c in mine]
    wrong = []
    if attempts and max(attempts) != said["restartCount"]:
        wrong.append(f"{name}: {said['restartCount']} restarts said, attempt {max(attempts)} here")
    state, words = next(iter(said["state"].items()))
    id = said.get("containerID", "").removeprefix("docker://")
    there = containers.get(id)
    if state == "running" and (there is None or not there["State"]["Running"]):
        wrong.append(f"{name}: said to run and does not")
    if state == "terminated" and there is not None:
        if there["State"]["Running"]:
            wrong.append(f"{name}: said to have ended and runs")
        elif words["reason"] != "StartError" and there["State"]["ExitCode"] != words["exitCode"]:
            wrong.append(
                f"{name}: exit code {words['exitCode']} said, {there['State']['ExitCode']}"
            )
    return wrong


def _label(container: dict[str, Any], name: str) -> str:
    return str(container["Config"]["Labels"].get(name, ""))
