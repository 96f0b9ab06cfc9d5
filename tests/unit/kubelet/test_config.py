"""The kubelet's flags; the sandbox image; cgroup clean-up."""

from pathlib import Path

import pytest

from kubelet import cgroup_fs, sandbox_image
from kubelet.config import parse
from wherry.daemon.process import StartError


def test_flags():
    config = parse(
        ["--hostname-override=N1", "--cluster-dns=10.96.0.10", "--node-labels=a=b,c=d",
         "--register-with-taints=x=y:NoSchedule", "--system-reserved=cpu=500m",
         "--kube-reserved=memory=1Gi", "--cni-bin-dir=/opt/a,/opt/b"]
    )  # fmt: skip
    assert (config.node_name, config.hostname) == ("n1", "n1")
    assert config.cluster_dns == ("10.96.0.10",)
    assert config.node_labels == {"a": "b", "c": "d"}
    assert config.register_taints[0].effect == "NoSchedule"
    assert config.reserved == {"cpu": "500m", "memory": "1Gi"}
    assert config.cni_bin_dirs == (Path("/opt/a"), Path("/opt/b"))
    assert (config.port, config.lease_seconds, config.docker_socket) == (
        10250,
        40,
        "/var/run/docker.sock",
    )


@pytest.mark.parametrize(
    "flag",
    [
        "--container-runtime-endpoint=tcp://x",
        "--register-with-taints=x",
        "--allowed-unsafe-sysctls=vm.swappiness",
    ],
)
def test_wrong_values(flag):
    with pytest.raises(StartError):
        parse([flag])


def test_an_unknown_flag_ends_with_code_2(capsys):
    with pytest.raises(SystemExit) as ended:
        parse(["--no-such-flag"])
    assert ended.value.code == 2
    assert "unknown flag: --no-such-flag" in capsys.readouterr().err


def test_the_sandbox_image_is_named_by_its_content():
    one, two = sandbox_image.root_tar(b"a"), sandbox_image.root_tar(b"b")
    assert sandbox_image.root_tar(b"a") == one
    assert sandbox_image.reference(one) != sandbox_image.reference(two)
    assert sandbox_image.reference(one).startswith("wherry/sandbox:")


def test_without_busybox_it_says_what_to_do(tmp_path):
    with pytest.raises(StartError) as error:
        sandbox_image.read_busybox((tmp_path / "none",))
    assert "busybox-static" in error.value.fix


def test_cgroups_go_in_every_hierarchy(tmp_path):
    for controller in ("cpu", "memory"):
        (tmp_path / controller / "kubepods" / "podx" / "container").mkdir(parents=True)
    (tmp_path / "kubepods.slice" / "kubepods-podx.slice").mkdir(parents=True)
    cgroup_fs.remove("/kubepods/podx", tmp_path)
    assert not list(tmp_path.rglob("podx"))
    assert (tmp_path / "cpu" / "kubepods").is_dir()
    cgroup_fs.remove("kubepods-podx.slice", tmp_path)
    assert not list(tmp_path.rglob("kubepods-podx.slice"))
