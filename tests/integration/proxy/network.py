"""A node, two pods and a stranger as network namespaces.

Code under test runs inside the node's namespace: a thread moves there and everything it starts is
born there. Nothing touches the machine's own namespace.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import subprocess
import threading
import uuid
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from proxy.sysctl import ensure_settings

T = TypeVar("T")
CLONE_NEWNET = 0x40000000
STRANGER, NODE = "192.0.2.2", "192.0.2.1"
POD_A, POD_B = "10.244.0.2", "10.244.0.3"
STRANGER6, NODE6 = "fd99::2", "fd99::1"
POD_A6, POD_B6 = "fd00:244::2", "fd00:244::3"


def sh(*command: str, check: bool = True) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    assert not check or done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


@dataclass
class Network:
    """Namespaces named `<prefix>-node`, `-a`, `-b`, `-stranger`."""

    prefix: str
    servers: list[subprocess.Popen[bytes]]

    def space(self, name: str) -> str:
        return f"{self.prefix}-{name}"

    def run(self, name: str, *command: str, check: bool = True) -> str:
        return sh("nsenter", f"--net=/run/netns/{self.space(name)}", *command, check=check)

    def curl(self, name: str, url: str) -> str:
        """The body, or "" when nothing answers."""
        return self.run(name, "curl", "-gs", "--max-time", "3", url, check=False).strip()

    def ask(self, name: str, url: str, seconds: float) -> str | int:
        """The body, or curl's code when nothing answers."""
        command = ["nsenter", f"--net=/run/netns/{self.space(name)}", "curl", "-gs", "--max-time", str(seconds), url]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
        return done.stdout.strip() or done.returncode

    def curl_code(self, name: str, url: str) -> int:
        """curl's code; AssertionError when something answers."""
        found = self.ask(name, url, 3.0)
        assert isinstance(found, int), found
        return found

    def inside(
        self, work: Callable[[], Awaitable[T]], seconds: float = 30.0, *, name: str = "node"
    ) -> T:
        """Run a coroutine in a thread that lives in the node's (or another) namespace."""
        results: list[T] = []
        errors: list[BaseException] = []

        def body() -> None:
            try:
                with open(f"/run/netns/{self.space(name)}") as space:
                    if ctypes.CDLL(None, use_errno=True).setns(space.fileno(), CLONE_NEWNET):
                        raise OSError(ctypes.get_errno(), "setns")
                with asyncio.Runner() as runner:
                    results.append(runner.run(work()))
            except BaseException as error:  # noqa: BLE001 # raised again by the caller's thread
                errors.append(error)

        thread = threading.Thread(target=body)
        thread.start()
        thread.join(seconds)
        if errors:
            raise errors[0]
        assert results, f"not done after {seconds} s"
        return results[0]

    def httpd(self, name: str, port: int, says: str, root: str) -> None:
        directory = os.path.join(root, name)
        os.makedirs(directory, exist_ok=True)
        with open(os.path.join(directory, "index.html"), "w") as page:
            page.write(says)
        self.servers.append(
            subprocess.Popen(
                ["nsenter", f"--net=/run/netns/{self.space(name)}", "busybox", "httpd", "-f",
                 "-p", str(port), "-h", directory]
            )
        )  # fmt: skip


def networks(directory: Path) -> Iterator[Network]:
    """A generator for a fixture: one network, torn down afterwards."""
    net = Network(f"px{uuid.uuid4().hex[:6]}", [])
    names = ("node", "a", "b", "stranger")
    for name in names:
        sh("ip", "netns", "add", net.space(name))
    try:
        for name in names:
            net.run(name, "ip", "link", "set", "lo", "up")
        net.run("node", "ip", "link", "add", "cni0", "type", "bridge")
        net.run("node", "ip", "addr", "add", "10.244.0.1/24", "dev", "cni0")
        net.run("node", "ip", "addr", "add", "fd00:244::1/64", "dev", "cni0", "nodad")
        net.run("node", "ip", "link", "set", "cni0", "up")
        for name, address, address6 in (("a", POD_A, POD_A6), ("b", POD_B, POD_B6)):
            net.run("node", "ip", "link", "add", f"v{name}", "type", "veth", "peer", "name", "eth0",
                    "netns", net.space(name))  # fmt: skip
            net.run("node", "ip", "link", "set", f"v{name}", "up", "master", "cni0")
            net.run(
                "node", "ip", "link", "set", f"v{name}", "type", "bridge_slave", "hairpin", "on"
            )
            net.run(name, "ip", "addr", "add", f"{address}/24", "dev", "eth0")
            net.run(name, "ip", "addr", "add", f"{address6}/64", "dev", "eth0", "nodad")
            net.run(name, "ip", "link", "set", "eth0", "up")
            net.run(name, "ip", "route", "add", "default", "via", "10.244.0.1")
            net.run(name, "ip", "-6", "route", "add", "default", "via", "fd00:244::1")
            net.httpd(name, 8080, f"pod {name}", str(directory))
        net.run("node", "ip", "link", "add", "up0", "type", "veth", "peer", "name", "eth0", "netns",
                net.space("stranger"))  # fmt: skip
        net.run("node", "ip", "addr", "add", f"{NODE}/24", "dev", "up0")
        net.run("node", "ip", "addr", "add", f"{NODE6}/64", "dev", "up0", "nodad")
        net.run("node", "ip", "link", "set", "up0", "up")
        net.run("node", "ip", "route", "add", "default", "via", STRANGER)
        net.run("node", "ip", "-6", "route", "add", "default", "via", STRANGER6)
        net.run("stranger", "ip", "addr", "add", f"{STRANGER}/24", "dev", "eth0")
        net.run("stranger", "ip", "addr", "add", f"{STRANGER6}/64", "dev", "eth0", "nodad")
        net.run("stranger", "ip", "link", "set", "eth0", "up")
        net.httpd("stranger", 80, "stranger", str(directory))
        net.inside(lambda: ensure_settings(ipv6=True))
        yield net
    finally:
        for server in net.servers:
            server.kill()
            server.wait()
        for name in names:
            sh("ip", "netns", "del", net.space(name), check=False)
