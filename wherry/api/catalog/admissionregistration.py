"""The admissionregistration.k8s.io group."""

from __future__ import annotations

from wherry.api.resource import Resource, status

MODELS = "wherry.api.admissionregistration_v1"
GROUP = "admissionregistration.k8s.io"
EXTENSIONS = ("api-extensions",)

RESOURCES = (
    Resource(
        GROUP, "v1", "MutatingAdmissionPolicy", "mutatingadmissionpolicies", MODELS,
        namespaced=False, categories=EXTENSIONS,
    ),
    Resource(
        GROUP, "v1", "MutatingAdmissionPolicyBinding", "mutatingadmissionpolicybindings", MODELS,
        namespaced=False, categories=EXTENSIONS,
    ),
    Resource(
        GROUP, "v1", "MutatingWebhookConfiguration", "mutatingwebhookconfigurations", MODELS,
        namespaced=False, categories=EXTENSIONS,
    ),
    Resource(
        GROUP, "v1", "ValidatingAdmissionPolicy", "validatingadmissionpolicies", MODELS,
        namespaced=False, categories=EXTENSIONS,
        subresources=(status(f"{GROUP}/v1", "ValidatingAdmissionPolicy"),),
    ),
    Resource(
        GROUP, "v1", "ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings",
        MODELS, namespaced=False, categories=EXTENSIONS,
    ),
    Resource(
        GROUP, "v1", "ValidatingWebhookConfiguration", "validatingwebhookconfigurations", MODELS,
        namespaced=False, categories=EXTENSIONS,
    ),
)  # fmt: skip
