"""What joining machines may do: roles that exist, and no more than a node's certificate."""

from typing import Any

from apiserver.bootstrap_policy import policy
from deploy import facts
from deploy.joining import ANONYMOUS, BOOTSTRAPPERS, CONTROLLER_MANAGER, objects

ROLES = {tree["metadata"]["name"]: tree for _, tree in policy.objects() if "rules" in tree}


OWN = {one["metadata"]["name"]: one for one in objects() if "rules" in one}


def rules_of(subject: str) -> list[dict[str, Any]]:
    return [
        rule
        for one in objects()
        if "roleRef" in one and one["subjects"][0]["name"] == subject
        for rule in {**ROLES, **OWN}[one["roleRef"]["name"]]["rules"]
    ]


def test_every_binding_is_of_a_role_that_there_is() -> None:
    for one in objects():
        if "roleRef" in one:
            assert one["roleRef"]["name"] in {*OWN, *ROLES}, one["metadata"]["name"]


def test_a_token_may_ask_for_certificates_see_whether_a_name_is_taken_and_read_one_map() -> None:
    rules = rules_of(BOOTSTRAPPERS)
    others = [rule for rule in rules if rule["apiGroups"] != ["certificates.k8s.io"]]
    assert len(rules) > len(others)
    assert others == [
        {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]},
        {
            "apiGroups": [""], "resources": ["configmaps"], "resourceNames": [facts.NAME],
            "verbs": ["get"],
        },
    ]  # fmt: skip


def test_the_controller_manager_signs_for_proxies_by_a_signer_of_ours() -> None:
    signers = [one for one in rules_of(CONTROLLER_MANAGER) if one["resources"] == ["signers"]]
    assert {name for one in signers for name in one["resourceNames"]} == {
        "kubernetes.io/kubelet-serving", "wherry.io/kube-proxy-client",
    }  # fmt: skip


def test_strangers_read_one_map() -> None:
    roles = {one["metadata"]["name"]: one for one in objects() if one["kind"] == "Role"}
    (binding,) = [
        one for one in objects() if "roleRef" in one and one["subjects"][0]["name"] == ANONYMOUS
    ]
    (rule,) = roles[binding["roleRef"]["name"]]["rules"]
    assert (rule["resourceNames"], rule["verbs"]) == (["cluster-info"], ["get"])
