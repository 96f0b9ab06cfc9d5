"""Streams into real containers by unmodified kubectl: attach, run -it, port-forward, proxy."""

from __future__ import annotations

import fcntl
import hashlib
import http.client
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.support import IMAGE, Cluster, wait

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

SCRIPT = """
mkdir -p /www; echo '<a href="/x">hello</a>' > /www/index.html
dd if=/dev/urandom of=/www/big bs=1M count=5 2>/dev/null; httpd -f -p 8080 -h /www
"""
TERMINAL = (33, 101)  # rows, columns
SESSION_SECONDS = 40.0


@pytest.fixture(scope="module")
def pods(cluster: Cluster) -> Iterator[Cluster]:
    """`web` serves HTTP on 8080; `cat` says back what it hears; both behind Services of their name."""
    ports = [{"name": "http", "containerPort": 8080}]
    web = {"name": "c", "image": IMAGE, "command": ["sh", "-c", SCRIPT], "ports": ports}
    cat = {"name": "c", "image": IMAGE, "command": ["cat"], "stdin": True}
    made = []
    for name, container in (("web", web), ("cat", cat)):
        spec = {"terminationGracePeriodSeconds": 0, "containers": [container]}
        metadata = {"name": name, "labels": {"app": name}}
        made.append({"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": spec})
    service = {
        "selector": {"app": "web"},
        "ports": [{"name": "http", "port": 80, "targetPort": "http"}],
    }
    made.append(
        {"kind": "Service", "apiVersion": "v1", "metadata": {"name": "web"}, "spec": service}
    )
    for one in made:
        cluster.apply(one)
    cluster.kubectl("wait", "--for=condition=Ready", "pod/web", "pod/cat", "--timeout=60s")
    yield cluster
    cluster.kubectl("delete", "pod/web", "pod/cat", "service/web", "--force", "--grace-period=0")


def session(cluster: Cluster, words: Sequence[str], lines: Sequence[str]) -> tuple[str, int]:
    """A terminal session with kubectl: each line is typed once the last one's echo has come."""
    child, terminal = pty.fork()
    if child == 0:
        os.execvp("kubectl", ["kubectl", "--kubeconfig", cluster.kubeconfig, *words])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", *TERMINAL, 0, 0))
    said, typed, deadline = b"", 0, time.monotonic() + SESSION_SECONDS
    while time.monotonic() < deadline:
        if typed < len(lines) and said.rstrip().endswith((b"#", b"[6n", b"[J")):
            os.write(terminal, lines[typed].encode() + b"\n")
            said, typed = said + b"|", typed + 1
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                piece = os.read(terminal, 4096)
            except OSError:  # the other side is closed: the session is over
                break
            said += piece
    else:
        os.kill(child, 9)
    os.close(terminal)
    return said.decode(errors="replace"), os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_run_with_a_terminal(cluster: Cluster) -> None:
    words = ("run", "-it", "--rm", "shell", f"--image={IMAGE}", "--restart=Never", "--", "sh")
    said, code = session(cluster, words, ["echo $((6*7))", "stty size", "exit 5"])
    assert "\r\n42\r\n" in said
    assert f"\r\n{TERMINAL[0]} {TERMINAL[1]}\r\n" in said
    assert code == 5
    assert "shell" not in cluster.kubectl("get", "pods", "-o", "name")


def test_attach(pods: Cluster) -> None:
    command = ["kubectl", "--kubeconfig", pods.kubeconfig, "attach", "-i", "cat"]
    for word in (b"one\n", b"two\n"):  # the container's input outlives a session
        child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(word)
        child.stdin.flush()
        assert child.stdout.readline() == word
        child.kill()
        child.communicate()


@pytest.mark.parametrize(("what", "port"), [("pod/web", "8080"), ("service/web", "80")])
def test_port_forward(pods: Cluster, what: str, port: str) -> None:
    want = pods.kubectl("exec", "web", "--", "md5sum", "/www/big").split()[0]
    child = subprocess.Popen(
        ["kubectl", "--kubeconfig", pods.kubeconfig, "port-forward", what, f":{port}"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        assert child.stdout is not None
        local = int(child.stdout.readline().split(" -> ")[0].rpartition(":")[2])

        def get(_: int) -> str:
            connection = http.client.HTTPConnection("127.0.0.1", local, timeout=30)
            connection.request("GET", "/big")
            found = hashlib.md5(connection.getresponse().read(), usedforsecurity=False)
            connection.close()
            return found.hexdigest()

        with ThreadPoolExecutor(8) as threads:
            assert set(threads.map(get, range(16))) == {want}
    finally:
        child.kill()
        child.communicate()


@pytest.mark.parametrize(
    "name", ["pods/web", "pods/web:http", "services/web:http", "services/web:80"]
)
def test_proxy(pods: Cluster, name: str) -> None:
    path = f"/api/v1/namespaces/default/{name}/proxy"
    page = f'<a href="{path}/x">hello</a>\n'
    wait(lambda: pods.kubectl("get", "--raw", f"{path}/", check=False) == page, page)
    node = pods.get("pod", "web")["spec"]["nodeName"]
    assert pods.kubectl("get", "--raw", f"/api/v1/nodes/{node}/proxy/healthz") == "ok"


def test_refusals_name_the_cause(cluster: Cluster) -> None:
    cluster.kubectl("run", "waits", "--image=nowhere:1", "--image-pull-policy=Never")
    try:
        wait(lambda: cluster.get("pod", "waits")["spec"].get("nodeName"), "waits")
        cause = 'unable to upgrade connection: container not found ("waits")'
        wait(lambda: cause in cluster.kubectl("exec", "waits", "--", "ls", check=False), cause)
    finally:
        cluster.kubectl("delete", "pod", "waits", "--force", "--grace-period=0")
