"""What a pod asks for and may have."""

from kubelet.pods.amounts import is_limited, total
from wherry.api.core_v1 import Pod


def container(name="c", requests=None, limits=None, **more):
    return {"name": name, "resources": {"requests": requests or {}, "limits": limits or {}}, **more}


def pod(*containers, init=(), **spec):
    return Pod.from_wire(
        {"spec": {"containers": list(containers), "initContainers": list(init), **spec}}
    )


def cpu(text):
    return {"requests": {"cpu": text}}


def test_init_containers_count_by_their_peak_and_sidecars_always():
    plain, sidecar = container(**cpu("1500m")), {"restartPolicy": "Always"}
    late = container(**cpu("1200m"))
    found = pod(container(**cpu("1")), init=[plain, container(**cpu("100m")) | sidecar, late])
    assert total(found, "requests", "cpu") == 1500
    heavier = pod(container(**cpu("1")), init=[container(**cpu("900m")) | sidecar, late])
    assert total(heavier, "requests", "cpu") == 2100


def test_a_limit_is_a_request_where_none_is_said():
    assert total(pod(container(limits={"memory": "1Mi"})), "requests", "memory") == 1 << 20


def test_what_is_said_of_the_pod_replaces_the_sum_and_overhead_comes_on_top():
    found = pod(
        container(**cpu("1")), resources={"requests": {"cpu": "3"}}, overhead={"cpu": "250m"}
    )
    assert total(found, "requests", "cpu") == 3250
    assert total(found, "limits", "cpu") == 0, "no limit is no limit, overhead or not"


def test_a_pod_is_limited_when_each_container_is():
    one, other = container(limits={"cpu": "1"}), container("d")
    assert is_limited(pod(one), "cpu")
    assert not is_limited(pod(one, other), "cpu")
    assert is_limited(pod(one, other, resources={"limits": {"cpu": "2"}}), "cpu")
