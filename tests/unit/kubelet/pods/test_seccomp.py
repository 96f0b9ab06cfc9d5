"""Profiles that lie on the node."""

import pytest

from kubelet.env import ConfigError
from kubelet.pods import seccomp
from tests.unit.kubelet.pods.test_amounts import container, pod


def asks(name, kind="Localhost"):
    profile = {"type": kind, "localhostProfile": name}
    return pod(container(), securityContext={"seccompProfile": profile})


def load(root, found):
    return seccomp.load(root, found, found.spec.containers[0])


def test_a_profile_below_the_folder(tmp_path):
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles/audit.json").write_text('{"defaultAction": "SCMP_ACT_LOG"}')
    found = load(tmp_path, asks("profiles/audit.json"))
    assert found == {"profiles/audit.json": '{"defaultAction": "SCMP_ACT_LOG"}'}
    assert load(tmp_path, asks("", "RuntimeDefault")) == {}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("../outside.json", "is not below"),
        ("none.json", "cannot load seccomp profile"),
        ("broken.json", "cannot load seccomp profile"),
    ],
)
def test_profiles_that_cannot_be_used(tmp_path, name, said):
    (tmp_path / "root").mkdir()
    (tmp_path / "outside.json").write_text("{}")
    (tmp_path / "root/broken.json").write_text("{")
    with pytest.raises(ConfigError, match=said):
        load(tmp_path / "root", asks(name))
