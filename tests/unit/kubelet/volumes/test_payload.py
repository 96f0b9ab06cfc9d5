"""Which files payload volumes hold."""

from datetime import UTC, datetime

import pytest

from kubelet.downward import Addresses
from kubelet.volumes.interface import Token, VolumeError
from kubelet.volumes.payload import Gathered, needs, payload
from wherry.api.core_v1 import ConfigMap, Pod, Secret

HAVE = Gathered(
    config_maps={"cfg": ConfigMap.from_wire({"data": {"a": "1"}, "binaryData": {"b": "AAE="}})},
    secrets={"sec": Secret.from_wire({"data": {"key": "c2VjcmV0"}})},
    tokens={("", 3607): Token("tkn", datetime(2026, 1, 1, tzinfo=UTC))},
    addresses=Addresses(("10.0.0.1",), ("192.168.0.1",)),
)
CA = {"configMap": {"name": "cfg", "items": [{"key": "a", "path": "ca.crt"}]}}
TOKEN = {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}}


def files(source, **spec):
    pod = Pod.from_wire(
        {
            "metadata": {"name": "p", "namespace": "ns", "labels": {"a": "1", "b": "2"}},
            "spec": {"volumes": [{"name": "v", **source}], "containers": [{"name": "c"}], **spec},
        }
    )
    found = payload(pod, pod.spec.volumes[0], HAVE)
    return None if found is None else {k: (f.content, f.mode) for k, f in found.items()}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param(
            {"configMap": {"name": "cfg"}},
            {"a": (b"1", 0o644), "b": (b"\0\1", 0o644)},
            id="configmap, all keys",
        ),
        pytest.param(
            {
                "configMap": {
                    "name": "cfg",
                    "defaultMode": 0o400,
                    "items": [
                        {"key": "a", "path": "d/x"},
                        {"key": "b", "path": "y", "mode": 0o600},
                    ],
                }
            },
            {"d/x": (b"1", 0o400), "y": (b"\0\1", 0o600)},
            id="configmap, items and modes",
        ),
        pytest.param(
            {"configMap": {"name": "no", "optional": True}}, {}, id="optional and missing"
        ),
        pytest.param({"secret": {"secretName": "sec"}}, {"key": (b"secret", 0o644)}, id="secret"),
        pytest.param(
            {
                "downwardAPI": {
                    "items": [
                        {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}},
                        {"path": "ns", "fieldRef": {"fieldPath": "metadata.namespace"}},
                    ]
                }
            },
            {"labels": (b'a="1"\nb="2"', 0o644), "ns": (b"ns", 0o644)},
            id="downward API",
        ),
        pytest.param(
            {"projected": {"sources": [TOKEN, CA]}},
            {"token": (b"tkn", 0o644), "ca.crt": (b"1", 0o644)},
            id="projected",
        ),
        pytest.param({"emptyDir": {}}, None, id="not a payload volume"),
    ],
)
def test_files(source, expected):
    assert expected == files(source)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        pytest.param({"configMap": {"name": "no"}}, 'configmap "no" not found', id="configmap"),
        pytest.param({"secret": {"secretName": "no"}}, 'secret "no" not found', id="secret"),
        pytest.param(
            {"configMap": {"name": "cfg", "items": [{"key": "z", "path": "z"}]}},
            "references non-existent config key: z",
            id="config key",
        ),
        pytest.param(
            {"secret": {"secretName": "sec", "items": [{"key": "z", "path": "z"}]}},
            "references non-existent secret key: z",
            id="secret key",
        ),
    ],
)
def test_refusals(source, message):
    with pytest.raises(VolumeError) as caught:
        files(source)
    assert ("FailedMount", message) == (caught.value.reason, caught.value.message)


def test_a_token_is_private_when_the_pod_says_whose_it_is():
    found = files({"projected": {"sources": [TOKEN]}}, securityContext={"runAsUser": 1000})
    assert found["token"] == (b"tkn", 0o600)


def test_needs_name_everything_a_projected_volume_is_made_from():
    pod = Pod.from_wire(
        {"spec": {"volumes": [{"name": "v", "projected": {"sources": [TOKEN, CA]}}]}}
    )
    wanted = needs(pod.spec.volumes[0])
    assert (frozenset({"cfg"}), frozenset({("", 3607)})) == (wanted.config_maps, wanted.tokens)
