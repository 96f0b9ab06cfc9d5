import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.reveal import Closed, prefix, reveal


@pytest.fixture
def house() -> Iterator[Path]:
    """Below a folder that others may pass, as pytest's own are not."""
    with tempfile.TemporaryDirectory(prefix="wherry-house-") as name:
        Path(name).chmod(0o755)
        home = Path(name) / "home"
        (home / "a/code").mkdir(parents=True)
        (home / "a/code/file").write_text("read me")
        (home / "secret").write_text("nobody's business")
        home.chmod(0o700)
        yield home


def test_open_folders_need_nothing() -> None:
    assert reveal([Path("/usr/bin"), Path("/etc")]) == ()
    assert prefix(()) == ()


def test_the_closed_door_and_what_is_needed_behind_it(house: Path) -> None:
    needed = [house / "a/code", house / "data"]
    assert reveal(needed) == ((str(house), tuple(map(str, needed))),)
    with pytest.raises(Closed):
        reveal([house])


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting takes root")
def test_the_view_shows_what_is_needed_and_hides_the_rest(house: Path) -> None:
    as_nobody = ("setpriv", "--reuid=65534", "--clear-groups", "--")
    words = (*prefix(reveal([house / "a/code"])), *as_nobody)

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            (*words, *command), capture_output=True, text=True, timeout=20, check=False
        )

    assert run("cat", str(house / "a/code/file")).stdout == "read me"
    assert run("cat", str(house / "secret")).returncode != 0
    assert run("ls", str(house)).stdout == "a\n"
    assert (house / "secret").read_text()  # the real one is as it was
