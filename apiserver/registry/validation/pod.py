"""New pods.

Source: ValidatePodCreate, validatePodMetadataAndSpec of pkg/apis/core/validation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiserver.codec.recall import passing
from apiserver.registry.validation.container import trimmed_images
from apiserver.registry.validation.pod_spec import validate_pod_spec
from wherry.api.errors import FieldError, forbidden_field


def validate_pod(tree: Mapping[str, Any]) -> list[FieldError]:
    """What is wrong with a new pod."""
    spec = tree["spec"]
    errors = validate_pod_and_spec(tree)
    if spec.get("ephemeralContainers"):
        errors.append(forbidden_field("spec.ephemeralContainers", "cannot be set on create"))
    if spec.get("nodeName") and spec.get("schedulingGates"):
        detail = "cannot be set until all schedulingGates have been cleared"
        errors.append(forbidden_field("spec.nodeName", detail))
    return errors


def validate_pod_and_spec(tree: Mapping[str, Any]) -> list[FieldError]:
    """What creation and update share."""
    return _spec_errors(tree["spec"])


@passing
def _spec_errors(spec: Mapping[str, Any]) -> list[FieldError]:
    errors = validate_pod_spec(spec, "spec")
    if not spec.get("serviceAccountName"):
        errors += _tokens_without_account(spec)
    errors += trimmed_images(spec["containers"] or (), "spec.containers")
    return errors + trimmed_images(spec.get("initContainers", ()), "spec.initContainers")


def _tokens_without_account(spec: Mapping[str, Any]) -> list[FieldError]:
    detail = "must not be specified when serviceAccountName is not set"
    return [
        forbidden_field(
            f"spec.volumes[{index}].projected.sources[{place}].serviceAccountToken", detail
        )
        for index, volume in enumerate(spec.get("volumes", ()))
        for place, source in enumerate((volume.get("projected") or {}).get("sources") or ())
        if source.get("serviceAccountToken") is not None
    ]
