"""A real kubelet that knows a bootstrap token and nothing else becomes a node that works.

It is a lab's machine whose kubelet was given none of the certificates that the lab makes.
"""

from __future__ import annotations

import base64
import json
import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from deploy import lab, launch, netns, rights
from deploy.image import busybox_archive
from deploy.inventory import Lifetimes
from deploy.spec import Daemon, Plan
from tests.e2e.support import IMAGE, Cluster, wait

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

TOKEN = "abcdef.0123456789abcdef"
NODE = "node1"


def as_joining(daemon: Daemon, folder: Path) -> Daemon:
    """The kubelet with a token instead of certificates."""
    given = ("--kubeconfig=", "--tls-cert-file=", "--tls-private-key-file=")
    words = [word for word in daemon.command if not word.startswith(given)]
    words += [
        f"--kubeconfig={folder / 'kubelet.kubeconfig'}",
        f"--bootstrap-kubeconfig={folder / 'bootstrap.kubeconfig'}",
        f"--cert-dir={folder / 'pki'}", "--rotate-certificates", "--rotate-server-certificates",
    ]  # fmt: skip
    return replace(daemon, command=tuple(words))


def bootstrap(server: str, ca: bytes) -> str:
    cluster = {"server": server, "certificate-authority-data": base64.b64encode(ca).decode()}
    return str(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "c", "cluster": cluster}],
                "users": [{"name": "c", "user": {"token": TOKEN}}],
                "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
                "current-context": "c",
            }
        )
    )


@pytest.fixture
def place() -> Iterator[lab.Lab]:
    """A lab whose machine has not joined yet."""
    if os.geteuid() != 0:
        pytest.skip("the lab needs root")
    directory = Path(tempfile.mkdtemp(prefix="wjoin"))
    directory.chmod(0o755)
    wires = netns.Wires(netns.identify(directory), netns.free_subnet(), (NODE,))
    made = lab.Lab(directory, wires)
    made.write()
    netns.make(wires)
    try:
        plan = made.make_plan(Lifetimes(), lambda text: None)
        folder = directory / "joining"
        folder.mkdir()
        control = made.control_plane()
        (folder / "bootstrap.kubeconfig").write_text(
            bootstrap(control.url, control.ca.read_bytes())
        )
        daemons = tuple(
            as_joining(one, folder) if one.name == f"{NODE}/kubelet" else one
            for one in plan.daemons
        )
        launch.start(replace(plan, daemons=daemons), made.plan_file, directory / "supervisor.log")
        yield made
    finally:
        lab.down(directory)


def test_a_token_is_enough_to_become_a_node(place: lab.Lab, tmp_path: Path) -> None:
    cluster = Cluster(place.directory)
    others = Plan.read(place.plan_file)
    waited = tuple(one for one in others.daemons if one.name != f"{NODE}/kubelet")
    with rights.granted(place.control_plane().kubeconfig("admin"), 90):
        launch.wait_ready(replace(others, daemons=waited), lambda text: None, 90)
    assert "No resources found" in cluster.kubectl("get", "nodes", check=False)

    assert cluster.wherry("token", "create", TOKEN, "--ttl", "10m") == f"{TOKEN}\n"
    assert re.search(rf"^{TOKEN}\s+\d", cluster.wherry("token", "list"), re.M)
    wait(
        lambda: cluster.kubectl("get", "nodes", "-o", "name", check=False) == f"node/{NODE}\n",
        "the node",
    )
    cluster.kubectl("wait", "--for=condition=Ready", f"node/{NODE}", "--timeout=60s")

    archive = tmp_path / "hello.tar"
    archive.write_bytes(busybox_archive(IMAGE))
    lab.load(place.directory, archive, lambda text: None)
    wait(lambda: "default" in cluster.kubectl("get", "sa", "-o", "name"), "the service account")
    cluster.kubectl("run", "one", f"--image={IMAGE}", "--", "sleep", "1000")
    cluster.kubectl("wait", "--for=condition=Ready", "pod/one", "--timeout=60s")

    # The API server checks the kubelet's serving certificate: exec works once it has been issued.
    def echoed() -> bool:
        return cluster.kubectl("exec", "one", "--", "echo", "hello", check=False) == "hello\n"

    wait(echoed, "a serving certificate")
    requests = json.loads(cluster.kubectl("get", "csr", "-o", "json"))["items"]
    signers = {one["spec"]["signerName"]: one["spec"]["username"] for one in requests}
    assert signers == {
        "kubernetes.io/kube-apiserver-client-kubelet": f"system:bootstrap:{TOKEN[:6]}",
        "kubernetes.io/kubelet-serving": f"system:node:{NODE}",
    }
    for name in ("kubelet-client", "kubelet-server"):
        pair = place.directory / "joining" / "pki" / f"{name}-current.pem"
        assert pair.stat().st_mode & 0o777 == 0o600

    assert "deleted" in cluster.wherry("token", "revoke", TOKEN)
    assert TOKEN not in cluster.wherry("token", "list")
