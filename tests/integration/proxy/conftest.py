"""The network namespaces of a node, its pods and a stranger."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.proxy.network import Network, networks


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    if os.geteuid() != 0 or not all(map(shutil.which, ("nft", "ip", "busybox", "curl"))):
        pytest.skip("needs root, nft, ip, busybox and curl")
    yield from networks(tmp_path)
