"""What a container finds in its environment."""

import pytest

from kubelet.downward import Addresses
from kubelet.env import ConfigError, expand, make_environment, service_environment
from wherry.api.core_v1 import ConfigMap, Node, Pod, Secret, Service


def pod(env=(), env_from=(), resources=None, **spec):
    container = {"name": "c", "env": list(env), "envFrom": list(env_from)}
    if resources:
        container["resources"] = resources
    return Pod.from_wire(
        {
            "metadata": {
                "name": "web-1",
                "namespace": "shop",
                "uid": "u-1",
                "labels": {"app": "web", "tier": 'a"b'},
                "annotations": {"note": "x\ny"},
            },
            "spec": {
                "nodeName": "n1",
                "serviceAccountName": "robot",
                "containers": [container],
                **spec,
            },
        }
    )


CONFIG = {"cfg": ConfigMap.from_wire({"data": {"COLOR": "blue", "bad=name": "x"}})}
SECRETS = {"sec": Secret.from_wire({"data": {"password": "aHVudGVyMg=="}})}
NODE = Node.from_wire({"status": {"allocatable": {"cpu": "1500m", "memory": "2Gi"}}})


def environment(a_pod, *, service_env=None, config_maps=CONFIG, secrets=SECRETS, env_files=None):
    return make_environment(
        a_pod,
        a_pod.spec.containers[0],
        config_maps=config_maps,
        secrets=secrets,
        service_env=service_env or {},
        addresses=Addresses(("10.1.0.5", "fd00::5"), ("192.168.0.1",)),
        node=NODE,
        env_files=env_files or {},
    )


def from_(**source):
    return {"name": "V", "valueFrom": source}


def field(path):
    return from_(fieldRef={"fieldPath": path})


def resource(name, divisor="0"):
    return from_(resourceFieldRef={"resource": name, "divisor": divisor})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("$(A)-$(B)", "1-2", id="two"),
        pytest.param("$$(A)", "$(A)", id="escaped"),
        pytest.param("$$$(A)", "$1", id="escaped dollar, then a reference"),
        pytest.param("$(NONE)", "$(NONE)", id="unknown stays"),
        pytest.param("$(A", "$(A", id="unclosed stays"),
        pytest.param("cost: $5 $", "cost: $5 $", id="lone dollars"),
        pytest.param("$()", "$()", id="empty name"),
    ],
)
def test_expand(text, expected):
    assert expected == expand(text, {"A": "1", "B": "2"})


@pytest.mark.parametrize(
    ("variable", "expected"),
    [
        pytest.param(field("metadata.name"), "web-1", id="name"),
        pytest.param(field("metadata.namespace"), "shop", id="namespace"),
        pytest.param(field("metadata.uid"), "u-1", id="uid"),
        pytest.param(field("spec.nodeName"), "n1", id="node"),
        pytest.param(field("spec.serviceAccountName"), "robot", id="service account"),
        pytest.param(field("status.podIP"), "10.1.0.5", id="pod ip"),
        pytest.param(field("status.podIPs"), "10.1.0.5,fd00::5", id="pod ips"),
        pytest.param(field("status.hostIP"), "192.168.0.1", id="host ip"),
        pytest.param(field("metadata.labels['app']"), "web", id="one label"),
        pytest.param(field("metadata.labels['none']"), "", id="no such label"),
        pytest.param(resource("limits.cpu"), "1", id="cpu limit rounds up"),
        pytest.param(resource("limits.cpu", "1m"), "250", id="cpu limit in millis"),
        pytest.param(resource("limits.memory", "1Mi"), "2048", id="no limit: the node's"),
        pytest.param(resource("requests.memory"), "0", id="no request"),
        pytest.param(
            from_(secretKeyRef={"name": "sec", "key": "password"}), "hunter2", id="secret"
        ),
        pytest.param(
            from_(configMapKeyRef={"name": "cfg", "key": "COLOR"}), "blue", id="configmap"
        ),
    ],
)
def test_sources(variable, expected):
    found = environment(pod([variable], resources={"limits": {"cpu": "250m"}}))
    assert expected == found["V"]


@pytest.mark.parametrize(
    ("variable", "message"),
    [
        pytest.param(
            from_(configMapKeyRef={"name": "no", "key": "k"}),
            'configmap "no" not found',
            id="configmap",
        ),
        pytest.param(
            from_(secretKeyRef={"name": "no", "key": "k"}), 'secret "no" not found', id="secret"
        ),
        pytest.param(
            from_(configMapKeyRef={"name": "cfg", "key": "k"}),
            "couldn't find key k in ConfigMap shop/cfg",
            id="key",
        ),
        pytest.param(
            field("spec.nonsense"), "unsupported fieldPath: spec.nonsense", id="field path"
        ),
    ],
)
def test_what_is_missing_is_a_config_error(variable, message):
    with pytest.raises(ConfigError) as caught:
        environment(pod([variable]))
    assert message == caught.value.message


def test_optional_sources_leave_no_variable():
    missing = from_(configMapKeyRef={"name": "no", "key": "k", "optional": True})
    found = environment(
        pod([missing], [{"secretRef": {"name": "no", "optional": True}}]), config_maps={}
    )
    assert found == {}


def test_later_sources_win_and_references_see_what_came_before():
    a_pod = pod(
        [
            {"name": "COLOR", "value": "red"},
            {"name": "MIX", "value": "$(COLOR) $(P_COLOR) $(SVC) $(LATER)"},
            {"name": "LATER", "value": "l"},
        ],
        [{"configMapRef": {"name": "cfg"}}, {"prefix": "P_", "configMapRef": {"name": "cfg"}}],
    )
    found = environment(a_pod, service_env={"SVC": "s", "COLOR": "service"})
    assert found["COLOR"] == "red"
    assert found["MIX"] == "red blue s $(LATER)"
    assert "bad=name" not in found


def service(namespace, name, ip, *ports):
    return Service.from_wire(
        {
            "metadata": {"namespace": namespace, "name": name},
            "spec": {"clusterIP": ip, "ports": list(ports)},
        }
    )


API = service("default", "kubernetes", "10.96.0.1", {"name": "https", "port": 443})
SHOP = service("shop", "my-db", "10.96.0.9", {"port": 5432}, {"port": 53, "protocol": "UDP"})
OTHER = service("other", "cache", "10.96.0.8", {"port": 1})
HEADLESS = service("shop", "headless", "None", {"port": 1})


def test_service_links():
    found = service_environment([API, SHOP, OTHER, HEADLESS], "shop", links=True)
    assert found["KUBERNETES_SERVICE_HOST"] == "10.96.0.1"
    assert found["KUBERNETES_SERVICE_PORT_HTTPS"] == "443"
    assert found["KUBERNETES_PORT"] == "tcp://10.96.0.1:443"
    assert found["MY_DB_SERVICE_HOST"] == "10.96.0.9"
    assert found["MY_DB_PORT_53_UDP"] == "udp://10.96.0.9:53"
    assert found["MY_DB_PORT_53_UDP_PROTO"] == "udp"
    assert not [name for name in found if name.startswith(("CACHE", "HEADLESS"))]


def test_without_links_only_the_api_server():
    found = service_environment([API, SHOP], "shop", links=False)
    assert {name for name in found if not name.startswith("KUBERNETES_")} == set()
    assert "KUBERNETES_SERVICE_HOST" in found
