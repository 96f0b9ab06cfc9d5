"""A dual-stack lab of three machines on two networks: node3 is behind a router."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import keep_logs
from tests.e2e.support import Cluster, run, wherry_program

SHAPE = ("--nodes", "3", "--subnets", "2", "--dual-stack")


@pytest.fixture(scope="package")
def site(hello_archive: Path) -> Iterator[Cluster]:
    if os.geteuid() != 0:
        pytest.skip("the lab needs root")
    directory = Path(tempfile.mkdtemp(prefix="wlpn"))
    try:
        run(wherry_program(), "lab", "up", *SHAPE, "--dir", str(directory))
        run(wherry_program(), "lab", "load", str(hello_archive), "--dir", str(directory))
        yield Cluster(directory)
    finally:
        keep_logs(directory)
        run(wherry_program(), "lab", "down", "--dir", str(directory))
