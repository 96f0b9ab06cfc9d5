"""What authorization adds to a request: microseconds, with few and with many bindings.

    make bench-authz

`hit`: the user has asked the like before; `miss`: for the first time since a role or binding changed.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from apiserver.authz.authorizer import Authorizer, attributes_of
from apiserver.authz.modes import authorizer
from apiserver.authz.node import PODS, NodeAuthorizer
from apiserver.authz.rbac import Rbac
from apiserver.bootstrap_policy import policy
from apiserver.request import RequestInfo, User
from apiserver.storage.cache import no_fields
from apiserver.storage.window import ResourceWindow
from tests.unit.apiserver.authz.policies import Cluster, binding

BINDINGS = (10, 10_000)
ROUNDS, CALLS = 20, 1000
GET = RequestInfo("get", "/api/v1/namespaces/ns/pods/p", PODS, "ns", "p")
STATUS = RequestInfo("patch", "/api/v1/namespaces/ns/pods/p/status", PODS, "ns", "p", "status")
EVERYBODY = "system:authenticated"
ASKING = (
    ("administrator", User("admin", groups=("system:masters", EVERYBODY)), GET),
    ("scheduler", User("system:kube-scheduler", groups=(EVERYBODY,)), GET),
    ("who may not", User("jane", groups=("dev", EVERYBODY)), GET),
    ("node", User("system:node:n1", groups=("system:nodes", EVERYBODY)), STATUS),
)


class Nothing:
    def get(self, *_: object) -> None:
        return None


def made(count: int) -> tuple[Cluster, Authorizer]:
    """The default roles, and bindings of others."""
    cluster = Cluster([tree for _, tree in policy.objects()])
    cluster.put(*(binding(f"b-{n}", "view", f"User user-{n}") for n in range(count)))
    pods = ResourceWindow(PODS, no_fields)
    nodes = NodeAuthorizer(lambda _: pods, Nothing())
    return cluster, authorizer(["Node", "RBAC"], cluster.policy, lambda: nodes, lambda: True)


def best(act: Callable[[], object], calls: int) -> float:
    """Microseconds of one call, in the best round."""
    found = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(calls):
            act()
        found.append((time.perf_counter() - began) / calls * 1e6)
    return min(found)


def row(
    count: int, who: str, cluster: Cluster, asked: Authorizer, user: User, info: RequestInfo
) -> str:
    def hit() -> object:
        return asked.authorize(attributes_of(info, user))

    def miss() -> object:
        return Rbac(cluster.policy).authorize(attributes_of(info, user))

    return f"{count:>8}  {who:<14} {best(hit, CALLS):>7.2f} {best(miss, 20):>8.2f}"


def main() -> None:
    print(f"{'bindings':>8}  {'who':<14} {'hit µs':>7} {'miss µs':>8}")
    for count in BINDINGS:
        cluster, asked = made(count)
        for who, user, info in ASKING:
            print(row(count, who, cluster, asked, user, info))


if __name__ == "__main__":
    main()
