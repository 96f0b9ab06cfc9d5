"""A KubeletConfiguration file in place of flags."""

import pytest

from kubelet.config import parse
from wherry.daemon.process import StartError

FILE = """
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication:
  anonymous: {enabled: false}
  webhook: {enabled: true}
  x509: {clientCAFile: /etc/ca.crt}
authorization: {mode: Webhook}
clusterDNS: [10.96.0.10, 10.96.0.11]
maxPods: 42
seccompDefault: true
nodeStatusUpdateFrequency: 1m30s
evictionHard: {memory.available: 100Mi, nodefs.available: 10%}
systemReserved: {cpu: 500m, memory: 1Gi}
registerWithTaints: [{key: a, value: b, effect: NoSchedule}]
cgroupRoot: /
featureGates: {Some: true}
syncFrequency: null
"""


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "kubelet.yaml"
        path.write_text(text)
        return f"--config={path}"

    return write


def test_a_file_says_what_flags_say_and_flags_win(written, caplog):
    config = parse([written(FILE), "--max-pods=7", "--cluster-dns=10.0.0.1"])
    assert (config.pods_max, config.cluster_dns) == (7, ("10.0.0.1",))
    assert config.client_ca_file == "/etc/ca.crt"
    assert config.seccomp_default
    assert config.status_update_seconds == 90.0
    assert config.reserved == {"cpu": "500m", "memory": "1Gi"}
    assert {t.signal for t in config.eviction.thresholds} >= {"memory.available"}
    assert (config.register_taints[0].key, config.cgroup_root) == ("a", "")
    assert [record.message for record in caplog.records] == [
        "--config: featureGates.Some is not honoured"
    ]


@pytest.mark.parametrize(
    "text",
    ["kind: Pod\napiVersion: v1\n", "[", "", "kind: KubeletConfiguration\napiVersion: v1\n"],
    ids=["another kind", "no YAML", "nothing", "another group"],
)
def test_what_is_no_configuration(written, text):
    with pytest.raises(StartError, match="--config"):
        parse([written(text)])


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(StartError, match="can't be read"):
        parse([f"--config={tmp_path}/none"])
