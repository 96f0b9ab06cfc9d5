"""Payloads on disk: upstream's layout, swapped in one step."""

import os
from datetime import UTC, datetime, timedelta

import pytest

from kubelet.volumes.atomic import write
from kubelet.volumes.payload import File

NOW = datetime(2026, 11, 21, 17, 0, tzinfo=UTC)
OLD = {"a": File(b"1", 0o644), "d/b": File(b"2", 0o400)}


def visible(folder):
    return {
        str(path.relative_to(folder)): path.read_text()
        for name in sorted(os.listdir(folder))
        if not name.startswith("..")
        for path in ([folder / name] if (folder / name).is_file() else (folder / name).iterdir())
    }


def test_layout(tmp_path):
    assert write(tmp_path, OLD, NOW)
    assert visible(tmp_path) == {"a": "1", "d/b": "2"}
    assert os.readlink(tmp_path / "a") == "..data/a"
    assert os.readlink(tmp_path / "..data") == "..2026_11_21_17_00_00.000000"
    assert (tmp_path / "d/b").stat().st_mode & 0o777 == 0o400


def test_the_same_payload_changes_nothing(tmp_path):
    write(tmp_path, OLD, NOW)
    before = os.readlink(tmp_path / "..data")
    assert not write(tmp_path, OLD, NOW + timedelta(seconds=1))
    assert before == os.readlink(tmp_path / "..data")


@pytest.mark.parametrize(
    "new",
    [
        pytest.param({"a": File(b"9", 0o644), "d/b": File(b"2", 0o400)}, id="content"),
        pytest.param({"a": File(b"1", 0o444), "d/b": File(b"2", 0o400)}, id="mode"),
        pytest.param({"a": File(b"1", 0o644)}, id="a file less"),
        pytest.param({}, id="nothing left"),
    ],
)
def test_a_change_replaces_all_and_leaves_no_rest(tmp_path, new):
    write(tmp_path, OLD, NOW)
    open_file = (tmp_path / "..data").resolve()
    assert write(tmp_path, new, NOW)  # even within the same moment
    assert {name: file.content.decode() for name, file in new.items()} == visible(tmp_path)
    assert not open_file.exists()
    dotted = [name for name in os.listdir(tmp_path) if name.startswith("..")]
    assert len(dotted) == 2


def test_a_broken_write_is_repaired(tmp_path):
    write(tmp_path, OLD, NOW)
    (tmp_path / "a").unlink()
    (tmp_path / "..stale").mkdir()
    write(tmp_path, OLD, NOW)
    assert visible(tmp_path) == {"a": "1", "d/b": "2"}


@pytest.mark.parametrize("path", ["/etc/x", "../x", "a/../../x", "..data", ""])
def test_paths_stay_inside(tmp_path, path):
    with pytest.raises(ValueError, match="invalid path"):
        write(tmp_path, {path: File(b"", 0o644)}, NOW)
