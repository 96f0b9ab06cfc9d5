"""CertificateSigningRequests: the request itself, its conditions and the certificate.

What an old object got wrong (duplicate conditions, unknown usages) may stay as it is.

Source: pkg/apis/certificates/validation, ValidateSignerName.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any, Final

from apiserver.registry.certificates.pem import certificate_problem, request_problem
from wherry.api import names
from wherry.api.errors import (
    FieldError,
    duplicate,
    forbidden_field,
    invalid,
    not_supported,
    required,
    too_long,
)  # fmt: skip

Tree = Mapping[str, Any]

LEGACY_SIGNER: Final = "kubernetes.io/legacy-unknown"
SECONDS_MIN: Final = 600
USAGES: Final = (
    "any", "cert sign", "client auth", "code signing", "content commitment", "crl sign",
    "data encipherment", "decipher only", "digital signature", "email protection",
    "encipher only", "ipsec end system", "ipsec tunnel", "ipsec user", "key agreement",
    "key encipherment", "microsoft sgc", "netscape sgc", "ocsp signing", "s/mime", "server auth",
    "signing", "timestamping",
)  # fmt: skip
DECISIONS: Final = ("Approved", "Denied")
FINAL: Final = (*DECISIONS, "Failed")
STATUSES: Final = ("False", "True", "Unknown")
SIGNER_MAX: Final = 2 * names.SUBDOMAIN_MAX + names.LABEL_MAX + 2
_TWO_SEGMENTS: Final = "should be a domain with at least two segments separated by dots"
_CONDITIONS: Final = "status.conditions"


def validate_request(tree: Tree, old: Tree | None = None) -> list[FieldError]:
    """A whole CertificateSigningRequest."""
    spec = tree["spec"]
    errors: list[FieldError] = []
    text = spec["request"]
    if problem := request_problem(base64.b64decode(text or "")):
        errors.append(invalid("spec.request", text or None, problem))
    errors += _usages(spec.get("usages", ()), old["spec"].get("usages", ()) if old else ())
    signer = spec["signerName"]
    if signer == LEGACY_SIGNER and not (old and old["spec"]["signerName"] == LEGACY_SIGNER):
        words = "the legacy signerName is not allowed via this API version"
        errors.append(invalid("spec.signerName", signer, words))
    else:
        errors += signer_name(signer, "spec.signerName")
    seconds = spec.get("expirationSeconds")
    if seconds is not None and seconds < SECONDS_MIN:
        words = "may not specify a duration less than 600 seconds (10 minutes)"
        errors.append(invalid("spec.expirationSeconds", seconds, words))
    before = old["status"].get("conditions", ()) if old else ()
    errors += _conditions(tree["status"].get("conditions", ()), before)
    return errors + _certificate(tree, old)


def validate_request_update(
    tree: Tree, old: Tree, *, approves: bool = False, issues: bool = False
) -> list[FieldError]:
    """A change, through `approval` (approves), `status` (issues) or neither."""
    errors = validate_request(tree, old)
    for kind in FINAL:
        new, before = _of_type(tree, kind), _of_type(old, kind)
        if len(new) < len(before):
            words = f'updates may not remove a condition of type "{kind}"'
        elif approves or kind not in DECISIONS or new == before:
            continue
        elif len(new) > len(before):
            words = f'updates may not add a condition of type "{kind}"'
        else:
            words = f'updates may not modify a condition of type "{kind}"'
        errors.append(forbidden_field(_CONDITIONS, words))
    was, now = (one["status"].get("certificate", "") for one in (old, tree))
    if was != now:
        if not issues:
            words = "updates may not set certificate content"
            errors.append(forbidden_field("status.certificate", words))
        elif was:
            words = "updates may not modify existing certificate content"
            errors.append(forbidden_field("status.certificate", words))
    return errors


def signer_name(name: str, path: str) -> list[FieldError]:
    """`example.com/signer`."""
    if not name:
        return [required(path)]
    domain, slash, rest = name.partition("/")
    if not slash or "/" in rest:
        words = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
        return [invalid(path, name, words)]
    errors = [too_long(path, names.SUBDOMAIN_MAX)] if len(domain) > names.SUBDOMAIN_MAX else []
    errors += _labels(domain, path, names.dns1123_label)
    if "." not in domain:
        errors.append(invalid(path, domain, _TWO_SEGMENTS))
    errors += _labels(rest, path, names.dns1123_subdomain)
    return errors + ([too_long(path, SIGNER_MAX)] if len(name) > SIGNER_MAX else [])


def _labels(text: str, path: str, check: Any) -> list[FieldError]:
    """What is wrong with the first unsound part between dots."""
    for label in text.split("."):
        if problems := check(label):
            return [
                invalid(path, text, f'validating label "{label}": {words}') for words in problems
            ]
    return []


def _usages(usages: Sequence[str], before: Sequence[str]) -> list[FieldError]:
    path = "spec.usages"
    errors = [] if usages else [required(path)]
    if all(one in USAGES for one in before):
        errors += [
            not_supported(f"{path}[{index}]", one, USAGES)
            for index, one in enumerate(usages)
            if one not in USAGES
        ]
    if len(set(before)) == len(before):
        errors += [
            duplicate(f"{path}[{index}]", one)
            for index, one in enumerate(usages)
            if one in usages[:index]
        ]
    return errors


def _conditions(conditions: Sequence[Tree], before: Sequence[Tree]) -> list[FieldError]:
    errors: list[FieldError] = []
    old_types = [one["type"] for one in before]
    types: list[str] = []
    for index, one in enumerate(conditions):
        path, kind, status = f"{_CONDITIONS}[{index}]", one["type"], one["status"]
        if not kind and "" not in old_types:
            errors.append(required(f"{path}.type"))
        allowed = ("True",) if kind in FINAL else STATUSES
        if not status:
            errors.append(required(f"{path}.status"))
        elif status not in allowed:
            errors.append(not_supported(f"{path}.status", status, allowed))
        other = {"Approved": "Denied", "Denied": "Approved"}.get(kind)
        if other in types and not {*DECISIONS} <= {*old_types}:
            words = "Approved and Denied conditions are mutually exclusive"
            errors.append(invalid(f"{path}.type", kind, words))
        if kind in types and len(set(old_types)) == len(old_types):
            errors.append(duplicate(f"{path}.type", kind))
        types.append(kind)
    return errors


def _certificate(tree: Tree, old: Tree | None) -> list[FieldError]:
    text = tree["status"].get("certificate", "")
    was = old["status"].get("certificate", "") if old else ""
    if old is not None and (text == was or certificate_problem(base64.b64decode(was))):
        return []
    problem = certificate_problem(base64.b64decode(text))
    return [invalid("status.certificate", "<certificate data>", problem)] if problem else []


def _of_type(tree: Tree, kind: str) -> list[Tree]:
    return [one for one in tree["status"].get("conditions", ()) if one["type"] == kind]
