"""Pod templates of workloads.

Source: ValidatePodTemplateSpec of pkg/apis/core/validation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiserver.registry.validation.metadata import validate_annotations
from apiserver.registry.validation.pod_spec import validate_pod_spec
from apiserver.registry.validation.words import labels
from wherry.api.errors import FieldError, forbidden_field


def validate_template(template: Mapping[str, Any], path: str) -> list[FieldError]:
    """Upstream's paths of labels and annotations leave out `metadata`; so do ours."""
    metadata, spec = template["metadata"], template["spec"]
    errors = labels(metadata.get("labels", {}), f"{path}.labels")
    errors += validate_annotations(metadata.get("annotations", {}), f"{path}.annotations")
    errors += validate_pod_spec(spec, f"{path}.spec")
    if spec.get("ephemeralContainers"):
        detail = "ephemeral containers not allowed in pod template"
        errors.append(forbidden_field(f"{path}.spec.ephemeralContainers", detail))
    return errors
