"""The types of the admissionregistration group, v1. A name is imported when it is first asked for."""

from __future__ import annotations

from wherry.api.lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "common": (
            "MatchCondition",
            "MatchResources",
            "NamedRuleWithOperations",
            "ParamKind",
            "ParamRef",
            "RuleWithOperations",
            "ServiceReference",
            "Variable",
            "WebhookClientConfig",
        ),
        "mutatingadmissionpolicy": (
            "ApplyConfiguration",
            "JSONPatch",
            "MutatingAdmissionPolicy",
            "MutatingAdmissionPolicySpec",
            "Mutation",
        ),
        "mutatingadmissionpolicybinding": (
            "MutatingAdmissionPolicyBinding",
            "MutatingAdmissionPolicyBindingSpec",
        ),
        "mutatingwebhookconfiguration": ("MutatingWebhook", "MutatingWebhookConfiguration"),
        "validatingadmissionpolicy": (
            "AuditAnnotation",
            "ExpressionWarning",
            "TypeChecking",
            "ValidatingAdmissionPolicy",
            "ValidatingAdmissionPolicySpec",
            "ValidatingAdmissionPolicyStatus",
            "Validation",
        ),
        "validatingadmissionpolicybinding": (
            "ValidatingAdmissionPolicyBinding",
            "ValidatingAdmissionPolicyBindingSpec",
        ),
        "validatingwebhookconfiguration": ("ValidatingWebhook", "ValidatingWebhookConfiguration"),
    },
)
