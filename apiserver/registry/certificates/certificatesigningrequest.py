"""CertificateSigningRequests: somebody asks for a certificate, somebody approves, a signer issues.

Who asks is what the server knows, never what the body says. Each of the three writers has a path of
their own: the object (nothing of it changes but metadata), `approval`, `status`.

Source: pkg/registry/certificates/certificates/strategy.go, printCertificateSigningRequest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from apiserver.registry.printing import AGE, NAME, NONE, created
from apiserver.registry.strategy import Column, Strategy, Tree
from apiserver.registry.validation.certificate_request import (
    DECISIONS,
    validate_request,
    validate_request_update,
)
from apiserver.registry.validation.metadata import segment_name
from apiserver.request import RequestContext, User
from wherry.api.certificates_v1 import CertificateSigningRequest
from wherry.api.duration import human_duration
from wherry.api.errors import FieldError
from wherry.api.model import format_time
from wherry.api.scheme import resource_of

_REQUESTOR: Final = ("username", "uid", "groups", "extra")


class CertificateSigningRequestStrategy(Strategy):
    """See the module."""

    resource = resource_of(CertificateSigningRequest)
    columns = (
        NAME,
        AGE,
        Column("SignerName", description="Who is to sign."),
        Column("Requestor", description="Who asks."),
        Column("RequestedDuration", description="How long the certificate is to be valid."),
        Column("Condition", description="Whether it is approved, denied, issued."),
    )

    def name_errors(self, name: str, *, prefix: bool) -> list[str]:
        return segment_name(name, prefix=prefix)

    def prepare_for_create(self, tree: Tree) -> None:
        tree["status"] = {}

    def prepare_for_update(self, tree: Tree, old: Mapping[str, Any]) -> None:
        tree["spec"], tree["status"] = dict(old["spec"]), dict(old["status"])

    def prepare_for_status_update(self, tree: Tree, old: Mapping[str, Any]) -> None:
        """The signer's: everything in the status but the decision."""
        tree["spec"] = dict(old["spec"])
        new, before = tree["status"].get("conditions", []), old["status"].get("conditions", [])
        if not any(one["type"] in DECISIONS for one in new):
            _set_conditions(tree, [*_decisions(before), *new])

    def prepare_for_part(self, part: str, tree: Tree, old: Mapping[str, Any]) -> None:
        """The approver's: conditions only."""
        tree["spec"] = dict(old["spec"])
        conditions = tree["status"].get("conditions", [])
        tree["status"] = dict(old["status"])
        _set_conditions(tree, conditions)

    def stamp(self, tree: Tree, old: Mapping[str, Any] | None, ctx: RequestContext) -> None:
        if old is None:
            _name_requestor(tree["spec"], ctx.user)
            return
        before = {one["type"]: one for one in old["status"].get("conditions", ())}
        now = format_time(ctx.now)
        for one in tree["status"].get("conditions", ()):
            was = before.get(one["type"])
            if was is not None and _said(was) == _said(one):
                one["lastUpdateTime"] = one.get("lastUpdateTime") or was.get("lastUpdateTime")
            one["lastUpdateTime"] = one.get("lastUpdateTime") or now
            if not one.get("lastTransitionTime"):
                same = was is not None and was["status"] == one["status"]
                one["lastTransitionTime"] = was["lastTransitionTime"] if same and was else now

    def validate(self, tree: Tree) -> list[FieldError]:
        return validate_request(tree)

    def validate_update(self, tree: Tree, old: Mapping[str, Any]) -> list[FieldError]:
        return validate_request_update(tree, old)

    def validate_status_update(self, tree: Tree, old: Mapping[str, Any]) -> list[FieldError]:
        return validate_request_update(tree, old, issues=True)

    def validate_part_update(
        self, part: str, tree: Tree, old: Mapping[str, Any]
    ) -> list[FieldError]:
        return validate_request_update(tree, old, approves=True)

    def selectable_fields(self, tree: Mapping[str, Any]) -> dict[str, str]:
        return {"spec.signerName": tree["spec"]["signerName"]}

    def row(self, tree: Mapping[str, Any], now: datetime) -> Sequence[Any]:
        spec = tree["spec"]
        seconds = spec.get("expirationSeconds")
        return (
            tree["metadata"]["name"],
            created(tree, now),
            spec["signerName"] or NONE,
            spec.get("username", ""),
            human_duration(seconds) if seconds is not None else NONE,
            _condition(tree["status"]),
        )


def _name_requestor(spec: Tree, user: User) -> None:
    for field in _REQUESTOR:
        spec.pop(field, None)
    found = {
        "username": user.name,
        "uid": user.uid,
        "groups": list(user.groups),
        "extra": {key: list(values) for key, values in user.extra.items()},
    }
    spec.update({field: value for field, value in found.items() if value})


def _decisions(conditions: Sequence[Tree]) -> list[Tree]:
    return [dict(one) for one in conditions if one["type"] in DECISIONS]


def _set_conditions(tree: Tree, conditions: Sequence[Tree]) -> None:
    tree["status"].pop("conditions", None)
    if conditions:
        tree["status"]["conditions"] = list(conditions)


def _said(condition: Mapping[str, Any]) -> dict[str, Any]:
    return {field: condition.get(field, "") for field in ("type", "status", "reason", "message")}


def _condition(status: Mapping[str, Any]) -> str:
    types = {one["type"] for one in status.get("conditions", ())}
    found = next((one for one in ("Denied", "Approved") if one in types), "Pending")
    if "Failed" in types:
        found += ",Failed"
    return f"{found},Issued" if status.get("certificate") else found
