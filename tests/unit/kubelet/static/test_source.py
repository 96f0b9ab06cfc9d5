"""Manifests of static pods: what becomes of them, and which are refused."""

import json

import pytest

from kubelet.static.source import HASH, SOURCE, Manifests, is_static, pod_of

CONTAINER = {"name": "c", "image": "i", "resources": {"limits": {"cpu": "1"}}}


def manifest(name="web", **spec):
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "annotations": {"a": "b"}},
        "spec": {"containers": [CONTAINER], **spec},
    }


def made(tree, file="/m/web.yaml", node="n1"):
    return pod_of(json.dumps(tree).encode(), file, node)


def test_a_pod_of_this_node():
    pod = made(manifest())
    meta, spec = pod.metadata, pod.spec
    assert (meta.name, meta.namespace, spec.node_name) == ("web-n1", "default", "n1")
    assert meta.annotations == {"a": "b", HASH: meta.uid, SOURCE: "file"}
    assert is_static(pod)
    assert (spec.restart_policy, spec.dns_policy, spec.enable_service_links) == (
        "Always", "ClusterFirst", True,
    )  # fmt: skip
    assert spec.termination_grace_period_seconds == 30
    assert spec.containers[0].resources.requests == {"cpu": "1"}
    assert [(t.operator, t.effect) for t in spec.tolerations] == [("Exists", "NoExecute")]


def test_the_uid_is_the_contents():
    uid = made(manifest()).metadata.uid
    assert made(manifest()).metadata.uid == uid
    others = [
        made(manifest(hostNetwork=True)), made(manifest(), file="/m/x"), made(manifest(), node="n2"),
    ]  # fmt: skip
    assert len({uid, *(pod.metadata.uid for pod in others)}) == 4


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"{", "neither YAML nor JSON"),
        (b"[]", "no Pod of v1"),
        (json.dumps(manifest() | {"kind": "Service"}).encode(), "no Pod of v1"),
        (json.dumps(manifest(name="A_B")).encode(), "is no name of a pod"),
        (json.dumps(manifest(containers=[])).encode(), "each pod has containers"),
        (json.dumps(manifest(containers=[CONTAINER, CONTAINER])).encode(), "same name"),
        (json.dumps(manifest(containers="x")).encode(), "spec.containers"),
        (json.dumps(manifest(serviceAccountName="x")).encode(), "objects of the API"),
        (
            json.dumps(manifest(volumes=[{"name": "v", "configMap": {"name": "x"}}])).encode(),
            "objects of the API",
        ),
    ],
    ids=["broken", "list", "kind", "name", "empty", "twice", "type", "account", "volume"],
)
def test_refused(text, words):
    with pytest.raises(ValueError, match=words):
        pod_of(text, "/m/x", "n1")


def test_a_folder(tmp_path):
    source = Manifests(tmp_path, "n1")
    assert source.read() == {}
    (tmp_path / "a.yaml").write_text(json.dumps(manifest("a")))
    (tmp_path / "b.json").write_text(json.dumps(manifest("b")))
    (tmp_path / "bad.yaml").write_text("{")
    (tmp_path / ".hidden.yaml").write_text(json.dumps(manifest("hidden")))
    (tmp_path / "z-same-name.yaml").write_text(json.dumps(manifest("a", hostNetwork=True)))
    (tmp_path / "folder").mkdir()
    first = source.read()
    assert sorted(pod.metadata.name for pod in first.values()) == ["a-n1", "b-n1"]
    assert not any(pod.spec.host_network for pod in first.values()), "the first of a name"
    assert source.read() == first
    (tmp_path / "b.json").write_text(json.dumps(manifest("b", hostNetwork=True)))
    assert len(source.read().keys() & first.keys()) == 1


@pytest.mark.parametrize("exists", [True, False])
def test_one_file(tmp_path, exists):
    file = tmp_path / "a.yaml"
    if exists:
        file.write_text(json.dumps(manifest("a")))
    assert len(Manifests(file, "n1").read()) == int(exists)
    assert Manifests(None, "n1").read() == {}
