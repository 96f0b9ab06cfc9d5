"""A lab of two machines for the whole session."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.image import busybox_archive
from tests.e2e.support import IMAGE, Cluster, run, wait, wherry_program


@pytest.fixture(scope="session")
def hello_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("image") / "hello.tar"
    path.write_bytes(busybox_archive(IMAGE))
    return path


@pytest.fixture(scope="session")
def cluster(hello_archive: Path) -> Iterator[Cluster]:
    if os.geteuid() != 0:
        pytest.skip("the lab needs root")
    directory = Path(tempfile.mkdtemp(prefix="wlab"))
    made = Cluster(directory)
    try:
        run(wherry_program(), "lab", "up", "--nodes", "2", "--dir", str(directory))
        run(wherry_program(), "lab", "load", str(hello_archive), "--dir", str(directory))
        yield made
    finally:
        if os.environ.get("WHERRY_KEEP_LAB"):
            print(f"the lab stays in {directory}")
        else:
            keep_logs(directory)
            run(wherry_program(), "lab", "down", "--dir", str(directory))


def keep_logs(directory: Path) -> None:
    """Copy the daemons' logs to where CI looks when a test failed."""
    target = os.environ.get("WHERRY_LOGS")
    if target:
        for log in directory.glob("*/logs/*.log"):
            copy = Path(target) / log.relative_to(directory)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(log, copy)


@pytest.fixture
def namespace(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace of the test's own, with its default ServiceAccount in place."""
    words = request.node.originalname.replace("_", "-").removeprefix("test-")[:40].strip("-")
    name = f"{words}-{secrets.token_hex(3)}"
    # What other tests left behind would still count where the scheduler looks for room.
    wait(lambda: not cluster.get("pods", "-A")["items"], "an empty cluster")
    cluster.kubectl("create", "namespace", name)
    wait(
        lambda: "default" in cluster.kubectl("get", "sa", "-n", name, "-o", "name"),
        "the namespace's service account",
    )
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")
    at_once = ("--grace-period=0", "--force", "--wait=false")
    cluster.kubectl("delete", "pods", "--all", "-n", name, *at_once, check=False)
