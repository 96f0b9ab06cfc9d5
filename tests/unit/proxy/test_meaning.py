"""The rendered table means what the objects mean: every packet's fates, against the reference model."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.endpoints import Place
from proxy.family import IP4
from proxy.policy import Policies, compile_policy
from proxy.ruleset import Part
from tests.unit.proxy.make import endpoint, endpoint_slice, parts, pod, policy, service, table
from tests.unit.proxy.reference import OWN_PODS, Site, allowed, service_fates
from tests.unit.proxy.tracer import Fate, Packet

ZONES, NODES = ["z1", "z2"], ["n1", "n2"]
LOCAL_PODS = ["10.244.0.2", "10.244.0.3"]
OTHER_PODS = ["10.244.1.2", "10.244.1.3"]
NODE, STRANGERS = "172.31.0.1", ["192.0.2.9", "198.51.100.7"]
PROTOCOLS = ["TCP", "UDP"]
HINTS = st.one_of(
    st.none(),
    st.fixed_dictionaries(
        {},
        optional={
            "forZones": st.lists(st.sampled_from(ZONES).map(lambda z: {"name": z}), max_size=2),
            "forNodes": st.lists(st.sampled_from(NODES).map(lambda n: {"name": n}), max_size=1),
        },
    ),
)
CONDITIONS = st.sampled_from(
    [
        {"ready": True},
        {"ready": False},
        {"ready": False, "serving": True, "terminating": True},
        {"ready": False, "serving": False, "terminating": True},
    ]
)


@st.composite
def endpoints(draw):
    found = []
    for address in draw(st.lists(st.sampled_from(LOCAL_PODS + OTHER_PODS), unique=True)):
        node = "n1" if address in LOCAL_PODS else "n2"
        found.append(endpoint(address, node, draw(HINTS), **draw(CONDITIONS)))
    return found


PORTS = [
    {"name": "a", "port": 80, "protocol": "TCP"},
    {"name": "b", "port": 80, "protocol": "UDP"},
    {"name": "c", "port": 443, "protocol": "TCP"},
]
TARGETS = {"a": 8080, "b": 8080, "c": 8443}


@st.composite
def one_service(draw, number: int):
    name = f"s{number}"
    ports = [dict(one) for one in draw(st.lists(st.sampled_from(PORTS), unique_by=str, min_size=1))]
    for one in ports:
        if draw(st.booleans()):  # those of one number and two protocols share theirs
            one["nodePort"] = 30000 + 10 * number + one["port"] // 443
    spec = {
        "externalTrafficPolicy": draw(st.sampled_from(["Cluster", "Local"])),
        "internalTrafficPolicy": draw(st.sampled_from(["Cluster", "Local"])),
        "externalIPs": draw(st.sampled_from([[], [f"203.0.113.{number}"]])),
        "ingress": draw(
            st.sampled_from(
                [
                    [],
                    [{"ip": f"203.0.113.{10 + number}"}],
                    [{"ip": f"203.0.113.{10 + number}", "ipMode": "Proxy"}, {"hostname": "lb"}],
                ]
            )
        ),
        "loadBalancerSourceRanges": draw(st.sampled_from([[], ["192.0.2.0/24"]])),
        "sessionAffinity": draw(st.sampled_from(["None", "ClientIP"])),
    }
    slices = [
        endpoint_slice(
            *draw(endpoints()), of=name,
            ports=[{**p, "port": TARGETS[p["name"]] + target} for p in offered],
        )
        for target, offered in enumerate(
            draw(st.lists(st.lists(st.sampled_from(ports), unique_by=str), max_size=2))
        )
    ]  # fmt: skip
    names = [{"addresses": ["example.com"], "conditions": {"ready": True}}]
    slices.append(endpoint_slice(*names, of=name, address_type="FQDN", ports=ports))
    return service(name, f"10.96.0.{number}", ports=ports, type="LoadBalancer", **spec), slices


packets = st.builds(
    Packet,
    st.sampled_from([*LOCAL_PODS, *OTHER_PODS, *STRANGERS]),
    st.sampled_from(
        ["10.96.0.1", "10.96.0.2", "203.0.113.1", "203.0.113.11", "203.0.113.2", "203.0.113.12",
         NODE, *OTHER_PODS, STRANGERS[0]]
    ),
    st.sampled_from([80, 443, 30010, 30011, 30020, 30021, 8080]),
    st.sampled_from(["tcp", "udp"]),
)  # fmt: skip


@settings(max_examples=60)
@given(one_service(1), one_service(2), st.sampled_from([*ZONES, ""]), st.booleans(), st.lists(packets, min_size=1, max_size=8), st.booleans())  # fmt: skip
def test_exactly_the_right_endpoints_are_reached(one, two, zone, everyone, some, ours) -> None:
    place = Place("n1", zone, (NODE,), masquerade_all=everyone)
    site = Site(place, frozenset({NODE, "127.0.0.1"}), ("10.244.0.0/16",), ("10.244.0.0/24",))
    services, slices = [one[0], two[0]], [*one[1], *two[1]]
    kernel = table(parts([*services, *slices], place), site.addresses)
    for packet in some:
        if ours:
            packet = Packet(NODE, packet.destination, packet.port, packet.protocol, local=True)
        expected = service_fates(services, slices, site, packet)
        assert kernel.fates(packet) == expected, packet


# -- policies

LABELS = st.dictionaries(st.sampled_from(["app", "tier"]), st.sampled_from(["a", "b"]))
SELECTORS = st.one_of(
    st.just({}),
    LABELS.map(lambda labels: {"matchLabels": labels}),
    st.sampled_from(
        [
            {"matchExpressions": [{"key": "app", "operator": "Exists"}]},
            {"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["a"]}]},
        ]
    ),
)
PEERS = st.one_of(
    st.fixed_dictionaries({"podSelector": SELECTORS}),
    st.fixed_dictionaries({"namespaceSelector": SELECTORS}),
    st.fixed_dictionaries({"podSelector": SELECTORS, "namespaceSelector": SELECTORS}),
    st.sampled_from(
        [
            {"ipBlock": {"cidr": "192.0.2.0/24"}},
            {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["192.0.2.0/24", "10.244.0.2/32"]}},
            {"ipBlock": {"cidr": "10.244.0.0/16", "except": ["10.244.1.0/24", "10.244.1.2/31"]}},
            {"ipBlock": {"cidr": "fd00::/8"}},
        ]
    ),
)
POLICY_PORTS = st.sampled_from(
    [
        {"port": 80},
        {"protocol": "UDP", "port": 53},
        {"protocol": "UDP"},
        {"port": 8000, "endPort": 8100},
        {"port": 8050, "endPort": 8200},
        {"port": "web"},
    ]
)


def rules(side: str):
    whom = st.one_of(st.just({}), st.lists(PEERS, min_size=1, max_size=3).map(lambda p: {side: p}))
    where = st.one_of(
        st.just({}), st.lists(POLICY_PORTS, min_size=1, max_size=3).map(lambda p: {"ports": p})
    )
    return st.lists(st.builds(lambda a, b: {**a, **b}, whom, where), max_size=2)


@st.composite
def some_policy(draw, name: str):
    kinds = draw(st.lists(st.sampled_from(["Ingress", "Egress"]), unique=True, min_size=1))
    spec = {"podSelector": draw(SELECTORS), "policyTypes": kinds}
    if "Ingress" in kinds:
        spec["ingress"] = draw(rules("from"))
    if "Egress" in kinds:
        spec["egress"] = draw(rules("to"))
    return policy(name, draw(st.sampled_from(["default", "other"])), **spec)


@st.composite
def some_pods(draw):
    found = []
    for number, address in enumerate([*LOCAL_PODS, *OTHER_PODS]):
        ports = draw(st.sampled_from([[], [("web", 80)], [("web", 8080), ("web", 8060)]]))
        spec = {"hostNetwork": True} if draw(st.integers(0, 9)) == 0 else {}
        told = [address] if draw(st.integers(0, 4)) or address not in LOCAL_PODS else []
        found.append(
            pod(
                f"p{number}", *told, namespace=draw(st.sampled_from(["default", "other"])),
                node="n1" if address in LOCAL_PODS else "n2", labels=draw(LABELS), ports=ports,
                **spec,
            )
        )  # fmt: skip
    return found


FORWARDED = st.builds(
    Packet,
    st.sampled_from([*LOCAL_PODS, *OTHER_PODS, *STRANGERS]),
    st.sampled_from([*LOCAL_PODS, *OTHER_PODS, *STRANGERS]),
    st.sampled_from([53, 80, 8050, 8080, 8150, 9000]),
    st.sampled_from(["tcp", "udp", "sctp"]),
)


@settings(max_examples=80)
@given(
    st.lists(st.sampled_from("uvw"), unique=True, max_size=3).flatmap(
        lambda names: st.tuples(*(some_policy(name) for name in names))
    ),
    some_pods(),
    st.fixed_dictionaries({"default": LABELS, "other": LABELS}),
    st.lists(FORWARDED, min_size=1, max_size=10),
)
def test_policies_let_pass_exactly_what_they_allow(policies, pods, namespaces, some) -> None:
    known = Policies()
    for one in policies:
        known.replace(one.metadata.namespace, one.metadata.name, compile_policy(one))
    held = {
        f"pod {one.metadata.name}": known.part(
            one,
            namespaces[one.metadata.namespace],
            IP4,
            here=one.spec.node_name == "n1",
            own=OWN_PODS,
        )
        for one in pods
    }
    kernel = table({**held, "node": Part()}, [NODE])
    for packet in some:
        expected = allowed(policies, pods, namespaces, "n1", packet)
        fates = kernel.fates(packet)
        passed = frozenset({Fate("pass", packet.destination, packet.port)})
        assert fates == (passed if expected else frozenset({Fate("drop")})), packet
