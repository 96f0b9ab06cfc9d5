"""What joining machines may do: roles that exist, and no more than a node's certificate."""

from apiserver.bootstrap_policy import policy
from deploy.joining import ANONYMOUS, BOOTSTRAPPERS, objects

ROLES = {tree["metadata"]["name"]: tree for _, tree in policy.objects() if "rules" in tree}


def test_every_binding_is_of_a_role_that_there_is() -> None:
    made = objects()
    own = {one["metadata"]["name"] for one in made if one["kind"] == "Role"}
    for one in made:
        if "roleRef" in one:
            assert one["roleRef"]["name"] in {*own, *ROLES}, one["metadata"]["name"]


def test_a_token_may_ask_for_certificates_and_nothing_else() -> None:
    rules = [
        rule
        for one in objects()
        if "roleRef" in one and one["subjects"][0]["name"] == BOOTSTRAPPERS
        for rule in ROLES[one["roleRef"]["name"]]["rules"]
    ]
    assert rules
    assert {one for rule in rules for one in rule["apiGroups"]} == {"certificates.k8s.io"}


def test_strangers_read_one_map() -> None:
    roles = {one["metadata"]["name"]: one for one in objects() if one["kind"] == "Role"}
    (binding,) = [
        one for one in objects() if "roleRef" in one and one["subjects"][0]["name"] == ANONYMOUS
    ]
    (rule,) = roles[binding["roleRef"]["name"]]["rules"]
    assert (rule["resourceNames"], rule["verbs"]) == (["cluster-info"], ["get"])
