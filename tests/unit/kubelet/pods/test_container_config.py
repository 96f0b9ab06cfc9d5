"""Docker's create arguments, DNS files, cgroups."""

from dataclasses import replace
from pathlib import Path

import pytest

from kubelet.env import ConfigError
from kubelet.pods import cgroups, container_config, dns
from kubelet.pods.cgroups import NodeFacts
from kubelet.pods.container_config import ContainerFiles, Inputs
from kubelet.pods.dns import Resolver
from kubelet.pods.plan import Start
from kubelet.runtime import labels as names
from kubelet.volumes.interface import Mount
from wherry.api.core_v1 import Pod

GIB = 1024**3
NODE = NodeFacts(memory_bytes=8 * GIB, hostname="n1", cgroup_root="/vm1")
HOST = Resolver(("192.0.2.1",), ("corp.example",), ("timeout:1",))


def pod(container=None, **spec):
    return Pod.from_wire(
        {
            "metadata": {"name": "web", "namespace": "shop", "uid": "u-1"},
            "spec": {"containers": [{"name": "c", "image": "img"} | (container or {})], **spec},
        }
    )


def made(container=None, mounts=(), env=None, image_user="", node=NODE, **spec):
    wanted = pod(container, **spec)
    files = ContainerFiles(Path("/r/log"), Path("/r/hosts"), Path("/r/resolv"))
    given = Inputs("sha256:1", image_user, env or {}, mounts, files, node, "n1")
    return container_config.container(wanted, Start(wanted.spec.containers[0], 2, 20, "SB"), given)


def test_dockers_defaults_are_not_ours():
    config = made()
    host = config["HostConfig"]
    assert config["Image"] == "sha256:1"
    assert config["Healthcheck"] == {"Test": ["NONE"]}
    assert host["RestartPolicy"] == {"Name": "no"}
    assert host["SecurityOpt"] == ["seccomp=unconfined"]
    assert (host["NetworkMode"], host["IpcMode"]) == ("container:SB", "container:SB")
    assert "PidMode" not in host
    assert "Hostname" not in config, "Docker refuses it beside a joined network"
    assert host["CgroupParent"] == "/vm1/kubepods/besteffort/podu-1"


def test_all_that_a_restarted_kubelet_needs_is_in_the_labels():
    found = made()["Labels"]
    assert found[names.POD_UID] == "u-1"
    assert (found[names.CONTAINER_NAME], found[names.ATTEMPT], found[names.SANDBOX]) == (
        "c",
        "2",
        "SB",
    )
    assert (found[names.RESTART_DELAY], found[names.IMAGE]) == ("20", "img:latest")
    assert found[names.TERMINATION_FILE] == "/r/log"


def test_command_and_arguments():
    env = {"WHO": "you"}
    config = made({"command": ["echo", "$(WHO)"], "args": ["$$(WHO)", "$(NOBODY)"]}, env=env)
    assert (config["Entrypoint"], config["Cmd"]) == (["echo", "you"], ["$(WHO)", "$(NOBODY)"])
    assert config["Env"] == ["WHO=you"]
    config = made({"args": ["x"]})
    assert ("Entrypoint" in config, config["Cmd"]) == (False, ["x"])
    assert made({"command": ["x"]})["Cmd"] == [], "the image's CMD goes with its ENTRYPOINT"


def test_mounts():
    volume = Mount(Path("/r/v"), "/data", read_only=True, propagation="rslave")
    own = Mount(Path("/r/mine"), "/etc/hosts")
    mounts = {m["Target"]: m for m in made(mounts=(volume, own))["HostConfig"]["Mounts"]}
    assert mounts["/data"] == {
        "Type": "bind", "Source": "/r/v", "Target": "/data", "ReadOnly": True,
        "BindOptions": {"Propagation": "rslave", "ReadOnlyNonRecursive": True},
    }  # fmt: skip
    assert mounts["/etc/hosts"]["Source"] == "/r/mine", "the user's own mount wins"
    assert set(mounts) == {"/data", "/etc/hosts", "/etc/resolv.conf", "/dev/termination-log"}


def test_resources():
    resources = {"requests": {"cpu": "250m"}, "limits": {"cpu": "1500m", "memory": "64Mi"}}
    host = made({"resources": resources})["HostConfig"]
    assert (host["CpuShares"], host["CpuPeriod"], host["CpuQuota"]) == (256, 100_000, 150_000)
    assert host["Memory"] == host["MemorySwap"] == 64 * 1024 * 1024
    host = made({"resources": {"limits": {"cpu": "1m", "memory": "1Mi"}}})["HostConfig"]
    assert (host["CpuQuota"], host["Memory"]) == (1000, 6 * 1024 * 1024), "Docker refuses less"
    assert made()["HostConfig"]["CpuShares"] == 2


@pytest.mark.parametrize(
    ("own", "shared", "image", "user"),
    [
        (None, None, "", None),
        ({"runAsUser": 5}, None, "", "5"),
        ({"runAsUser": 5}, {"runAsUser": 6, "runAsGroup": 7}, "", "5:7"),
        (None, {"runAsUser": 0}, "app", "0"),
        ({"runAsGroup": 7}, None, "9", "9:7"),
        ({"runAsNonRoot": True}, None, "9", None),
    ],
)
def test_user(own, shared, image, user):
    config = made({"securityContext": own}, securityContext=shared, image_user=image)
    assert config.get("User") == user


@pytest.mark.parametrize("image", ["", "root", "0", "app"])
def test_non_root_is_kept(image):
    with pytest.raises(ConfigError, match="runAsNonRoot"):
        made({"securityContext": {"runAsNonRoot": True}}, image_user=image)


def test_security():
    host = made(
        {
            "securityContext": {
                "privileged": True,
                "readOnlyRootFilesystem": True,
                "allowPrivilegeEscalation": False,
                "capabilities": {"add": ["NET_ADMIN"], "drop": ["ALL"]},
                "seccompProfile": {"type": "RuntimeDefault"},
            }
        },
        securityContext={"fsGroup": 9, "supplementalGroups": [8]},
    )["HostConfig"]
    assert (host["Privileged"], host["ReadonlyRootfs"]) == (True, True)
    assert (host["CapAdd"], host["CapDrop"]) == (["NET_ADMIN"], ["ALL"])
    assert host["SecurityOpt"] == ["seccomp=unconfined", "no-new-privileges"], "privileged"
    assert host["GroupAdd"] == ["8", "9"]


def test_a_machine_without_all_capabilities_gives_what_it_has():
    own = {"securityContext": {"privileged": True}}
    node = replace(NODE, lacked_capabilities=("SYS_RESOURCE",))
    host = made(own, node=node)["HostConfig"]
    assert (host["Privileged"], host["CapAdd"], host["CapDrop"]) == (
        False,
        ["ALL"],
        ["SYS_RESOURCE"],
    )
    assert (host["MaskedPaths"], host["ReadonlyPaths"]) == ([], [])
    everything = {"securityContext": {"capabilities": {"add": ["ALL"], "drop": ["CHOWN"]}}}
    assert made(everything, node=node)["HostConfig"]["CapDrop"] == ["CHOWN", "SYS_RESOURCE"]


def test_shared_processes():
    assert made(shareProcessNamespace=True)["HostConfig"]["PidMode"] == "container:SB"
    assert made(hostPID=True)["HostConfig"]["PidMode"] == "host"


class TestSandbox:
    def test_its_own_network(self):
        config = container_config.sandbox(pod(), 0, "pause:1", NODE, "n1")
        assert (config["Hostname"], config["HostConfig"]["NetworkMode"]) == ("web", "none")
        assert config["NetworkDisabled"], "the engine has no part in it"
        assert config["HostConfig"]["IpcMode"] == "shareable"
        assert config["Labels"][names.TYPE] == names.TYPE_SANDBOX

    def test_the_nodes_network(self):
        config = container_config.sandbox(pod(hostNetwork=True), 0, "pause:1", NODE, "n1")
        assert "Hostname" not in config
        assert "NetworkDisabled" not in config
        assert config["HostConfig"]["NetworkMode"] == "host"


@pytest.mark.parametrize(
    ("qos", "driver", "parent"),
    [
        ("Guaranteed", "cgroupfs", "/vm1/kubepods/podu-1"),
        ("Burstable", "cgroupfs", "/vm1/kubepods/burstable/podu-1"),
        ("Burstable", "systemd", "kubepods-burstable-podu_1.slice"),
        ("Guaranteed", "systemd", "kubepods-podu_1.slice"),
    ],
)
def test_cgroup_parent(qos, driver, parent):
    wanted = pod().with_(status=pod().status.with_(qos_class=qos))
    assert cgroups.parent(wanted, NodeFacts(GIB, "n1", driver, "/vm1")) == parent


def test_oom_scores():
    half = {"resources": {"requests": {"memory": "4Gi"}}}
    wanted = pod(half)
    assert cgroups.oom_score(wanted, wanted.spec.containers[0], NODE) == 500
    clamped = NodeFacts(8 * GIB, "n1", oom_score_min=0)
    full = {"memory": "1Gi", "cpu": "1"}
    guaranteed = pod({"resources": {"requests": full, "limits": full}})
    assert cgroups.oom_score(guaranteed, guaranteed.spec.containers[0], NODE) == -997
    assert cgroups.oom_score(guaranteed, guaranteed.spec.containers[0], clamped) == 0


class TestNames:
    def test_cluster_first(self):
        text = dns.resolver(pod(), HOST, ["10.96.0.10"], "cluster.local").text()
        assert text == (
            "search shop.svc.cluster.local svc.cluster.local cluster.local corp.example\n"
            "nameserver 10.96.0.10\noptions ndots:5\n"
        )

    @pytest.mark.parametrize("spec", [{"dnsPolicy": "Default"}, {"hostNetwork": True}])
    def test_the_nodes(self, spec):
        assert dns.resolver(pod(**spec), HOST, ["10.96.0.10"], "cluster.local") == HOST

    def test_host_network_that_wants_the_clusters(self):
        wanted = pod(hostNetwork=True, dnsPolicy="ClusterFirstWithHostNet")
        assert dns.resolver(wanted, HOST, ["10.96.0.10"], "c").nameservers == ("10.96.0.10",)

    def test_its_own(self):
        config = {"nameservers": ["1.1.1.1"], "searches": ["x"], "options": [{"name": "ndots", "value": "1"}, {"name": "debug"}]}  # fmt: skip
        found = dns.resolver(pod(dnsPolicy="None", dnsConfig=config), HOST, ["10.96.0.10"], "c")
        assert found == Resolver(("1.1.1.1",), ("x",), ("ndots:1", "debug"))

    def test_reading_the_nodes(self):
        text = "# x\nsearch a\nnameserver 1.1.1.1 # y\nsearch b c\noptions ndots:2\n"
        assert dns.parse_resolver(text) == Resolver(("1.1.1.1",), ("b", "c"), ("ndots:2",))

    def test_hosts(self):
        wanted = pod(
            subdomain="sub", hostname="h", hostAliases=[{"ip": "9.9.9.9", "hostnames": ["q", "r"]}]
        )
        text = dns.hosts(wanted, ["10.0.0.2"], "cluster.local")
        assert "10.0.0.2\th.sub.shop.svc.cluster.local\th\n" in text
        assert text.endswith("9.9.9.9\tq\tr\n")

    def test_long_names_are_cut(self):
        wanted = pod().with_(metadata=pod().metadata.with_(name="a" * 62 + "-b"))
        assert dns.hostname(wanted, "n1", "c") == "a" * 62

    def test_the_whole_name_as_host_name(self):
        wanted = pod(subdomain="sub", hostname="h", setHostnameAsFQDN=True)
        assert dns.hostname(wanted, "n1", "cluster.local") == "h.sub.shop.svc.cluster.local"
        assert "\th.sub.shop.svc.cluster.local\th\n" in dns.hosts(
            wanted, ["10.0.0.2"], "cluster.local"
        )

    def test_a_whole_name_that_no_kernel_takes(self):
        wanted = pod(subdomain="s" * 40, hostname="h" * 20, setHostnameAsFQDN=True)
        with pytest.raises(ConfigError, match=r"is too long \(64 characters is the max, 84 char"):
            container_config.sandbox(wanted, 0, "i", NODE, "n1")

    def test_a_given_host_name_wins_and_has_no_domain(self):
        wanted = pod(subdomain="sub", hostname="h", hostnameOverride="own.name")
        assert dns.hostname(wanted, "n1", "c") == "own.name"
        assert "10.0.0.2\town.name\n" in dns.hosts(wanted, ["10.0.0.2"], "c")

    def test_what_a_c_library_does_not_read_is_left_out_and_told(self):
        many = Resolver(tuple("1234"), tuple(f"d{n}" for n in range(40)))
        found, said = dns.within_limits(many)
        assert (found.nameservers, len(found.searches)) == (("1", "2", "3"), 32)
        assert said[0].endswith("the applied nameserver line is: 1 2 3")
        assert said[1].startswith("Search Line limits were exceeded")
        assert dns.within_limits(HOST) == (HOST, [])

    def test_a_node_without_cluster_dns(self):
        assert dns.lacks_cluster_dns(pod(), [])
        assert not dns.lacks_cluster_dns(pod(hostNetwork=True), [])
        assert dns.lacks_cluster_dns(pod(hostNetwork=True, dnsPolicy="ClusterFirstWithHostNet"), [])
        assert not dns.lacks_cluster_dns(pod(), ["10.96.0.10"])


def test_user_namespaces_are_refused():
    with pytest.raises(ConfigError, match="runtime does not support user namespaces"):
        container_config.sandbox(pod(hostUsers=False), 0, "i", NODE, "n1")


def test_the_stop_signal_is_the_containers_else_the_images():
    wanted = pod({"lifecycle": {"stopSignal": "SIGUSR1"}})
    files = ContainerFiles(Path("/r/log"))
    for image, spec, signal in (
        ("", pod(), None), ("SIGQUIT", pod(), "SIGQUIT"), ("SIGQUIT", wanted, "SIGUSR1"),
    ):  # fmt: skip
        given = Inputs("sha256:1", "", {}, (), files, NODE, "n1", image)
        start = Start(spec.spec.containers[0], 0, 0, "SB")
        found = container_config.container(spec, start, given)["Labels"]
        assert found.get(names.STOP_SIGNAL) == signal


def test_the_node_may_have_a_default_seccomp_profile():
    files = ContainerFiles(Path("/r/log"))
    node = replace(NODE, seccomp_default=True)
    plain, privileged = pod(), pod({"securityContext": {"privileged": True}})
    for spec, options in ((plain, []), (privileged, ["seccomp=unconfined"])):
        given = Inputs("sha256:1", "", {}, (), files, node, "n1")
        start = Start(spec.spec.containers[0], 0, 0, "SB")
        assert (
            container_config.container(spec, start, given)["HostConfig"]["SecurityOpt"] == options
        )
