import io
import json
import tarfile

from deploy.image import archive, layer


def test_an_archive_names_its_config_and_layer() -> None:
    root = layer(b"\x7fELF", ["sh", "busybox", "ls"])
    with tarfile.open(fileobj=io.BytesIO(root)) as tar:
        assert tar.getmember("bin/sh").linkname == "busybox"
        assert tar.getmember("bin/busybox").isfile()
    with tarfile.open(fileobj=io.BytesIO(archive("x:1", root))) as tar:
        (entry,) = json.load(tar.extractfile("manifest.json"))
        assert entry["RepoTags"] == ["x:1"]
        assert tar.getmember(entry["Config"]).isfile()
        assert tar.extractfile(entry["Layers"][0]).read() == root


def test_the_same_content_makes_the_same_image() -> None:
    assert layer(b"x", ["sh"]) == layer(b"x", ["sh"])
