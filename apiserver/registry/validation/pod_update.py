"""What may change in a pod: little.

Source: ValidatePodUpdate, ValidatePodStatusUpdate of pkg/apis/core/validation. Upstream appends a
printed difference of Go structs to its refusal; ours names the fields.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from apiserver.registry.validation.affinity import validate_tolerations
from apiserver.registry.validation.pod import validate_pod_and_spec
from apiserver.registry.validation.pod_spec import DEADLINE_MAX
from apiserver.registry.validation.words import immutable, invalids
from wherry.api import names
from wherry.api.errors import FieldError, forbidden_field, invalid, required

Tree = Mapping[str, Any]

_UPDATABLE: Final = (
    "`spec.containers[*].image`",
    "`spec.initContainers[*].image`",
    "`spec.activeDeadlineSeconds`",
    "`spec.tolerations` (only additions to existing tolerations)",
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
)
_FREE: Final = frozenset({"activeDeadlineSeconds", "tolerations", "schedulingGates"})


def validate_pod_update(tree: Tree, old: Tree) -> list[FieldError]:
    """What is wrong with a change of a pod's spec."""
    new, before = tree["spec"], old["spec"]
    if new == before:
        return validate_pod_and_spec(tree)
    errors = validate_pod_and_spec(tree)
    for field in ("containers", "initContainers"):
        found, other = new.get(field) or (), before.get(field) or ()
        if len(found) != len(other):
            detail = "pod updates may not add or remove containers"
            return [*errors, forbidden_field(f"spec.{field}", detail)]
        errors += [
            required(f"spec.{field}[{index}].image")
            for index, container in enumerate(found)
            if not container.get("image")
        ]
    if deadline := _deadline(new, before):
        return errors + deadline
    errors += _tolerations(new.get("tolerations", ()), before.get("tolerations", ()))
    errors += _scheduling_gates(new.get("schedulingGates", ()), before.get("schedulingGates", ()))
    changed = [field for field in sorted({*new, *before} - _FREE) if _changed(field, new, before)]
    if changed:
        words = f"pod updates may not change fields other than {','.join(_UPDATABLE)}"
        differing = ", ".join(f"spec.{field}" for field in changed)
        errors.append(forbidden_field("spec", f"{words}\n  changed: {differing}"))
    return errors


def _changed(field: str, new: Tree, before: Tree) -> bool:
    """Whether a field differs in a way that no rule allows."""
    left, right = new.get(field), before.get(field)
    if left == right:
        return False
    if field in ("containers", "initContainers"):
        return [{**one, "image": ""} for one in left or ()] != [
            {**one, "image": ""} for one in right or ()
        ]
    if field == "terminationGracePeriodSeconds":
        return not (left == 1 and right is not None and right < 0)
    if field in ("nodeSelector", "affinity") and before.get("schedulingGates"):
        # A gated pod may still be narrowed.
        return field == "nodeSelector" and not (right or {}).items() <= (left or {}).items()
    return True


def _deadline(new: Tree, before: Tree) -> list[FieldError]:
    path = "spec.activeDeadlineSeconds"
    value, previous = new.get("activeDeadlineSeconds"), before.get("activeDeadlineSeconds")
    if value is None:
        if previous is None:
            return []
        detail = "must not update from a positive integer to nil value"
        return [invalid(path, value, detail)]
    if not 0 <= value <= DEADLINE_MAX:
        detail = f"must be between 0 and {DEADLINE_MAX}, inclusive"
        return [invalid(path, value, detail)]
    if previous is not None and previous < value:
        return [invalid(path, value, "must be less than or equal to previous value")]
    return []


def _tolerations(new: Sequence[Tree], old: Sequence[Tree]) -> list[FieldError]:
    path = "spec.tolerations"
    kept = [_untimed(one) for one in new]
    if any(_untimed(one) not in kept for one in old):
        detail = "existing toleration can not be modified except its tolerationSeconds"
        return [forbidden_field(path, detail)]
    return validate_tolerations(new, path) if new != old else []


def _untimed(toleration: Tree) -> dict[str, Any]:
    """What makes a toleration the same one; no operator means Equal."""
    found = {key: value for key, value in toleration.items() if key != "tolerationSeconds"}
    return {**found, "operator": found.get("operator") or "Equal"}


def _scheduling_gates(new: Sequence[Tree], old: Sequence[Tree]) -> list[FieldError]:
    known = {gate["name"] for gate in old}
    return [
        forbidden_field(
            f"spec.schedulingGates[{index}].name",
            f"only deletion is allowed, but found new scheduling gate '{gate['name']}'",
        )
        for index, gate in enumerate(new)
        if gate["name"] not in known
    ]


def validate_pod_status_update(tree: Tree, old: Tree) -> list[FieldError]:
    """What is wrong with a change of a pod's status."""
    status, before = tree["status"], old["status"]
    errors: list[FieldError] = []
    if node := status.get("nominatedNodeName"):
        errors += invalids("status.nominatedNodeName", node, names.dns1123_subdomain(node))
    if before.get("qosClass"):
        errors += immutable(status.get("qosClass", ""), before["qosClass"], "status.qosClass")
    spec = tree["spec"]
    for kind in ("containers", "initContainers"):
        field = f"{kind.removesuffix('s')}Statuses"
        errors += _revived(status, before, field, spec.get(kind, ()), spec.get("restartPolicy"))
    # Ephemeral ones are never restarted, whatever the pod's policy.
    return errors + _revived(status, before, "ephemeralContainerStatuses", (), "Never")


def _revived(
    status: Tree, old: Tree, field: str, containers: Sequence[Tree], policy: str | None
) -> list[FieldError]:
    """A container that ended and is not to be restarted stays ended."""
    errors: list[FieldError] = []
    states = {one["name"]: one.get("state", {}) for one in status.get(field, ())}
    specs = {one["name"]: one for one in containers}
    if any(_rules(one, "RestartAllContainers") for one in containers):
        return errors
    for index, before in enumerate(old.get(field, ())):
        ended = before.get("state", {}).get("terminated")
        if not ended or _may_restart(specs.get(before["name"], {}), policy, ended["exitCode"]):
            continue
        state = states.get(before["name"])
        if state is not None and not state.get("terminated"):
            detail = "may not be transitioned to non-terminated state"
            errors.append(forbidden_field(f"status.{field}[{index}].state", detail))
    return errors


def _may_restart(container: Tree, policy: str | None, code: int) -> bool:
    """Its rules, its own policy, the pod's: the first that says something decides."""
    for rule in _rules(container, "Restart"):
        codes = rule.get("exitCodes") or {}
        if (code in codes.get("values", ())) == (codes.get("operator") == "In"):
            return True
    own = container.get("restartPolicy") or policy
    return own == "Always" or (own == "OnFailure" and code != 0)


def _rules(container: Tree, action: str) -> list[Tree]:
    rules: Sequence[Tree] = container.get("restartPolicyRules") or ()
    return [rule for rule in rules if rule.get("action") == action]
