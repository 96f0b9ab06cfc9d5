"""Garbage collection and namespace deletion against the real API server."""

from __future__ import annotations

from tests.integration.controller_manager.conftest import until
from wherry.api.apps_v1 import Deployment, ReplicaSet
from wherry.api.core_v1 import (
    ConfigMap,
    Event,
    Namespace,
    Pod,
    ResourceQuota,
    Secret,
    Service,
    ServiceAccount,
)


def template():
    return {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "c", "image": "i"}]},
    }


def spec(replicas=2):
    return {
        "replicas": replicas,
        "selector": {"matchLabels": {"app": "web"}},
        "template": template(),
    }


async def pods_there(cluster, count):
    async def question():
        return len(await cluster.list(Pod)) == count

    await until(question)


def owned_by(obj, *, blocks=False):
    return {
        "ownerReferences": [
            {
                "apiVersion": obj.GVK.api_version, "kind": obj.GVK.kind, "blockOwnerDeletion": blocks,
                "name": obj.metadata.name, "uid": obj.metadata.uid,
            }
        ]
    }  # fmt: skip


def gone(cluster, model, name):
    async def question():
        return await cluster.get(model, name) is None

    return question


async def test_background_goes_down_the_chain(cluster):
    top = await cluster.make(ConfigMap, "top")
    middle = await cluster.make(ConfigMap, "middle", metadata=owned_by(top))
    await cluster.make(Secret, "leaf", metadata=owned_by(middle))
    await cluster.make(Secret, "free")
    await cluster.client.delete(ConfigMap, "top", cluster.namespace)
    await until(gone(cluster, ConfigMap, "middle"))
    await until(gone(cluster, Secret, "leaf"))
    assert await cluster.get(Secret, "free")


async def test_a_second_owner_keeps_the_child(cluster):
    one = await cluster.make(ConfigMap, "one")
    two = await cluster.make(ConfigMap, "two")
    refs = owned_by(one)["ownerReferences"] + owned_by(two)["ownerReferences"]
    await cluster.make(Secret, "child", metadata={"ownerReferences": refs})
    await cluster.client.delete(ConfigMap, "one", cluster.namespace)

    async def one_left():
        child = await cluster.get(Secret, "child")
        return [ref.name for ref in child.metadata.owner_references] == ["two"]

    await until(one_left)
    await cluster.client.delete(ConfigMap, "two", cluster.namespace)
    await until(gone(cluster, Secret, "child"))


async def test_a_child_of_an_owner_that_never_was(cluster):
    ghost = ConfigMap.from_wire({"metadata": {"name": "ghost", "uid": "no-such-uid"}})
    await cluster.make(Secret, "child", metadata=owned_by(ghost))
    await until(gone(cluster, Secret, "child"))


async def test_a_child_of_an_owner_in_another_namespace_goes_and_is_told(cluster):
    elsewhere = await cluster.client.get(ConfigMap, "kube-root-ca.crt", "default")
    made = await cluster.make(Secret, "child", metadata=owned_by(elsewhere))
    await until(gone(cluster, Secret, "child"))

    async def told():
        events = await cluster.list(Event)
        return [e.message for e in events if e.reason == "OwnerRefInvalidNamespace"]

    whom = f"v1/ConfigMap, namespace: {cluster.namespace}, name: kube-root-ca.crt"
    text = f"ownerRef [{whom}, uid: {elsewhere.metadata.uid}] does not exist in namespace"
    assert await until(told) == [f'{text} "{made.metadata.namespace}"']


async def test_a_child_of_a_namesake_goes(cluster):
    """The name is there, the uid is another's."""
    real = await cluster.make(ConfigMap, "owner")
    old = real.with_(metadata=real.metadata.with_(uid="earlier-uid"))
    await cluster.make(Secret, "child", metadata=owned_by(old))
    await until(gone(cluster, Secret, "child"))
    assert await cluster.get(ConfigMap, "owner")


async def test_orphans_survive(cluster):
    await cluster.make(ReplicaSet, "web", spec=spec())
    await pods_there(cluster, 2)
    await cluster.client.delete(ReplicaSet, "web", cluster.namespace, propagation_policy="Orphan")
    await until(gone(cluster, ReplicaSet, "web"))
    pods = await cluster.list(Pod)
    assert [pod.metadata.owner_references for pod in pods] == [[], []]


async def test_foreground_waits_for_what_blocks(cluster):
    owner = await cluster.make(ConfigMap, "owner")
    held = {**owned_by(owner, blocks=True), "finalizers": ["example.com/hold"]}
    await cluster.make(Secret, "child", metadata=held)
    await cluster.client.delete(
        ConfigMap, "owner", cluster.namespace, propagation_policy="Foreground"
    )

    async def child_is_leaving():
        child = await cluster.get(Secret, "child")
        return child.metadata.deletion_timestamp is not None

    await until(child_is_leaving)
    waiting = await cluster.get(ConfigMap, "owner")
    assert waiting.metadata.finalizers == ["foregroundDeletion"]
    await cluster.client.patch(Secret, "child", cluster.namespace, {"metadata": {"finalizers": []}})
    await until(gone(cluster, Secret, "child"))
    await until(gone(cluster, ConfigMap, "owner"))


async def test_foreground_deployment(cluster):
    await cluster.make(Deployment, "web", spec=spec())
    await pods_there(cluster, 2)
    await cluster.client.delete(
        Deployment, "web", cluster.namespace, propagation_policy="Foreground"
    )
    await until(gone(cluster, Deployment, "web"))
    assert await cluster.list(Pod) == []
    assert await cluster.list(ReplicaSet) == []


async def test_namespace_goes_with_everything_in_it(cluster):
    await cluster.make(Deployment, "web", spec=spec(3))
    await cluster.make(Service, "web", spec={"selector": {"app": "web"}, "ports": [{"port": 80}]})
    await cluster.make(Secret, "s")
    await pods_there(cluster, 3)
    await cluster.client.delete(Namespace, cluster.namespace)
    await until(gone(cluster, Namespace, cluster.namespace))
    await cluster.make(Namespace, cluster.namespace)
    await until(lambda: cluster.get(ServiceAccount, "default"))
    for model in (Deployment, ReplicaSet, Pod, Secret, Service):
        assert await cluster.list(model) == []


async def test_a_finalizer_holds_the_namespace_and_is_told(cluster):
    await cluster.make(ConfigMap, "held", metadata={"finalizers": ["example.com/hold"]})
    await cluster.client.delete(Namespace, cluster.namespace)

    async def told():
        namespace = await cluster.get(Namespace, cluster.namespace)
        return {c.type: c for c in namespace.status.conditions if c.status == "True"}

    conditions = await until(told)
    assert conditions["NamespaceContentRemaining"].message == (
        "Some resources are remaining: configmaps. has 1 resource instances"
    )
    assert conditions["NamespaceFinalizersRemaining"].message == (
        "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances"
    )
    await cluster.client.patch(
        ConfigMap, "held", cluster.namespace, {"metadata": {"finalizers": []}}
    )
    await until(gone(cluster, Namespace, cluster.namespace))


async def test_a_quota_knows_of_what_was_collected(cluster):
    await until(lambda: cluster.get(ServiceAccount, "default"))
    await cluster.make(
        ResourceQuota, "most", spec={"hard": {"pods": "5", "count/replicasets.apps": "2"}}
    )
    await cluster.make(ReplicaSet, "web", spec=spec(replicas=3))

    def used(pods, sets):
        async def question():
            quota = await cluster.get(ResourceQuota, "most")
            return quota.status.used == {"pods": pods, "count/replicasets.apps": sets}

        return question

    await until(used("3", "1"))
    await cluster.client.delete(ReplicaSet, "web", cluster.namespace)
    await until(used("0", "0"))
