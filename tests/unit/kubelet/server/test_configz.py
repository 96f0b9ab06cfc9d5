"""What a kubelet says it runs with."""

from kubelet.config import parse
from kubelet.server.configz import configuration, duration


def test_the_flags_in_upstreams_words():
    config = parse(
        [
            "--kubeconfig=k", "--max-pods=7", "--cluster-dns=10.96.0.10",
            "--eviction-hard=memory.available<1Gi,nodefs.available<5%",
            "--eviction-soft=memory.available<2Gi",
            "--eviction-soft-grace-period=memory.available=90s",
            "--register-with-taints=a=b:NoSchedule",
        ]
    )  # fmt: skip
    found = configuration(config, "cgroupfs")
    assert (found["maxPods"], found["clusterDNS"]) == (7, ["10.96.0.10"])
    assert found["evictionHard"] == {"memory.available": str(1 << 30), "nodefs.available": "5%"}
    assert found["evictionSoftGracePeriod"] == {"memory.available": "1m30s"}
    assert found["registerWithTaints"] == [{"key": "a", "value": "b", "effect": "NoSchedule"}]
    assert found["authentication"]["anonymous"] == {"enabled": False}
    assert "staticPodPath" not in found


def test_durations():
    assert [duration(s) for s in (0, 0.5, 10, 300, 3661)] == [
        "0s",
        "500ms",
        "10s",
        "5m0s",
        "1h1m1s",
    ]
