"""Web servers and clients on every machine of a lab, and questions from one to the other."""

from __future__ import annotations

import json
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from tests.e2e.support import IMAGE, Cluster, wait

PORT = 8080
SILENT = "28"  # curl: nothing came
REFUSED = "7"  # curl: refused at once
ANSWER_SECONDS = "1.5"


def server(name: str, machine: str, labels: dict[str, str], grace: int = 1) -> dict[str, Any]:
    """A pod that says its name on port 8080 while it has the file /w/ready."""
    script = (
        f"mkdir -p /w; echo {name} > /w/index.html; touch /w/ready; exec httpd -f -p {PORT} -h /w"
    )
    container = {
        "name": "c", "image": IMAGE, "command": ["sh", "-c", script],
        "ports": [{"name": "web", "containerPort": PORT}],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": PORT}, "periodSeconds": 1,
                           "failureThreshold": 2, "timeoutSeconds": 5},
    }  # fmt: skip
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels},
        "spec": {"nodeName": machine, "terminationGracePeriodSeconds": grace,
                 "tolerations": [{"operator": "Exists"}], "containers": [container]},
    }  # fmt: skip


def http(address: str, port: int = 80) -> str:
    return f"http://[{address}]:{port}/" if ":" in address else f"http://{address}:{port}/"


@dataclass
class Net:
    """A namespace with `web-<n>` and `client-<n>` on the n-th machine.

    cluster: its machines have an address of each family, and so have pods and Services
    """

    cluster: Cluster
    namespace: str
    _pids: dict[str, int] = field(default_factory=dict)

    @property
    def machines(self) -> tuple[str, ...]:
        return self.cluster.machines

    @property
    def webs(self) -> tuple[str, ...]:
        return tuple(f"web-{n}" for n, _ in enumerate(self.machines, 1))

    def kubectl(self, *words: str, **more: Any) -> str:
        return self.cluster.kubectl("-n", self.namespace, *words, **more)

    def apply(self, *objects: dict[str, Any]) -> None:
        for one in objects:
            one.setdefault("metadata", {}).setdefault("namespace", self.namespace)
        self.cluster.apply({"apiVersion": "v1", "kind": "List", "items": list(objects)})

    def get(self, *words: str) -> Any:
        return self.cluster.get("-n", self.namespace, *words)

    def service(self, name: str, **spec: Any) -> list[str]:
        """Make a Service of the web servers; its cluster addresses, IPv4 first."""
        spec = {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": PORT}],
                "ipFamilyPolicy": "PreferDualStack", **spec}  # fmt: skip
        self.apply(
            {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}
        )
        return list(self.get("service", name)["spec"].get("clusterIPs", ()))

    def change(self, name: str, *words: str, **spec: Any) -> None:
        """Change fields of a Service's spec (or of what `words` say)."""
        tree = json.dumps({"spec": spec})
        self.kubectl("patch", "service", name, "--type=merge", "-p", tree, *words)

    @cached_property
    def pod_ips(self) -> dict[str, list[str]]:
        """Each pod's addresses, IPv4 first."""
        return {
            one["metadata"]["name"]: [ip["ip"] for ip in one["status"]["podIPs"]]
            for one in self.get("pods")["items"]
        }

    @property
    def addresses(self) -> dict[str, str]:
        return {name: found[0] for name, found in self.pod_ips.items()}

    def node_ips(self, number: int) -> tuple[str, str]:
        """The addresses of the machine with this number (1 ...): IPv4, IPv6."""
        wires, name = self.cluster.lab.wires, self.machines[number - 1]
        return wires.address(name), wires.address6(name)

    def inside(self, pod: str) -> tuple[str, ...]:
        """The command line that leads into this pod's network."""
        if pod not in self._pids:
            machine = self.machines[int(pod.rpartition("-")[2]) - 1]
            labels = [
                f"io.kubernetes.pod.name={pod}",
                f"io.kubernetes.pod.namespace={self.namespace}",
            ]
            found = self.cluster.docker(machine).containers.list(
                filters={"label": labels}, ignore_removed=True
            )
            self._pids[pod] = found[0].attrs["State"]["Pid"]
        return ("nsenter", f"--net=/proc/{self._pids[pod]}/ns/net")

    def asks(self, client: str, url: str, times: int) -> set[str]:
        """What a pod, a machine or this host gets there: bodies, or curl's codes."""
        if client in self.machines:
            space = self.cluster.lab.wires.namespace(client)
            head: tuple[str, ...] = ("nsenter", f"--net=/run/netns/{space}")
        else:
            head = self.inside(client) if client else ()
        # One process and as many connections.
        words = (
            "-gsZ",
            "--parallel-immediate",
            "--max-time",
            ANSWER_SECONDS,
            "-w",
            "\\n%{exitcode}\\n",
            *[url] * times,
        )
        done = subprocess.run(
            [*head, "curl", *words], capture_output=True, text=True, timeout=30, check=False
        )
        return {*done.stdout.split("\n")} - {"", "0"}

    def ask(self, client: str, url: str) -> str:
        [answer] = self.asks(client, url, 1)
        return answer

    def answers(self, client: str, url: str, *wanted: str) -> None:
        """In the end these and no others answer, whoever is asked."""
        times = 4 if len(wanted) == 1 else 24

        def look() -> bool:
            return self.asks(client, url, times) == set(wanted)

        wait(look, f"{client or 'the host'} → {url}: {wanted}")

    def udp(self, pod: str, says: str) -> subprocess.Popen[str]:
        """A UDP server in the pod's network that answers everything with this word."""
        script = (
            "import socket; s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); s.bind(('::', 9053))\n"
            f"while True: s.sendto({says.encode()!r}, s.recvfrom(99)[1])"
        )
        command = [*self.inside(pod), sys.executable, "-c", script]
        return subprocess.Popen(command, text=True)

    def datagrams(self, pod: str, address: str, port: int) -> Datagrams:
        script = (
            "import socket, sys\n"
            "s = socket.socket(int(sys.argv[1]), socket.SOCK_DGRAM); s.settimeout(2)\n"
            "s.connect((sys.argv[2], int(sys.argv[3])))\n"
            "for line in sys.stdin:\n"
            "    try: s.send(b'?'); print(s.recv(99).decode(), flush=True)\n"
            f"    except ConnectionRefusedError: print({REFUSED!r}, flush=True)\n"
            f"    except TimeoutError: print({SILENT!r}, flush=True)\n"
        )
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        words = (str(int(family)), address, str(port))
        command = [*self.inside(pod), sys.executable, "-c", script, *words]
        pipe = subprocess.PIPE
        return Datagrams(subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True))


@dataclass
class Datagrams:
    """A UDP client that keeps its socket."""

    process: subprocess.Popen[str]

    def ask(self) -> str:
        """What it is answered, or as curl would say that it is not."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()


def built(cluster: Cluster, word: str) -> Iterator[Net]:
    """A generator for a fixture: the namespace, its servers and clients, all of it gone behind."""
    net = Net(cluster, f"{word}-{secrets.token_hex(3)}")
    cluster.kubectl("create", "namespace", net.namespace)
    wait(
        lambda: "default" in net.kubectl("get", "sa", "-o", "name", check=False),
        "the namespace's service account",
    )
    try:
        pods = [server(f"{role}-{n}", machine, {"app": role, "n": str(n)})
                for n, machine in enumerate(net.machines, 1) for role in ("web", "client")]  # fmt: skip
        net.apply(*pods)
        net.kubectl("wait", "--for=condition=Ready", "pods", "--all", "--timeout=90s")
        yield net
    finally:
        at_once = ("--grace-period=0", "--force", "--wait=false")
        cluster.kubectl("delete", "namespace", net.namespace, "--wait=false", check=False)
        net.kubectl("delete", "pods", "--all", *at_once, check=False)


def ruleset(cluster: Cluster, machine: str) -> str:
    return cluster.on(machine, "nft", "list", "table", "ip", "wherry")


def events(net: Net, reason: str) -> list[str]:
    found = json.loads(net.kubectl("get", "events", "-o", "json"))["items"]
    return [one["message"] for one in found if one["reason"] == reason]
