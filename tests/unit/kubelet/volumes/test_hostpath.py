"""hostPath types."""

import pytest

from kubelet.volumes.hostpath import prepare
from kubelet.volumes.interface import VolumeError


@pytest.mark.parametrize(
    ("kind", "name", "ok"),
    [
        pytest.param("", "missing", True, id="unchecked"),
        pytest.param("Directory", "folder", True, id="folder"),
        pytest.param("Directory", "file", False, id="folder, but a file"),
        pytest.param("Directory", "missing", False, id="folder, missing"),
        pytest.param("DirectoryOrCreate", "new/deep", True, id="folder made"),
        pytest.param("DirectoryOrCreate", "file", False, id="folder or create, but a file"),
        pytest.param("File", "file", True, id="file"),
        pytest.param("FileOrCreate", "made", True, id="file made"),
        pytest.param("Socket", "file", False, id="socket, but a file"),
        pytest.param("CharDevice", "/dev/null", True, id="character device"),
        pytest.param("BlockDevice", "/dev/null", False, id="block device"),
    ],
)
def test_types(tmp_path, kind, name, ok):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    if ok:
        prepare(tmp_path / name, kind)
        return
    with pytest.raises(VolumeError, match=r"hostPath type check failed: .* is not a"):
        prepare(tmp_path / name, kind)
