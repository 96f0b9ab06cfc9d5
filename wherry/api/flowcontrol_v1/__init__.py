"""The types of the flowcontrol group, v1. A name is imported when it is first asked for."""

from __future__ import annotations

from wherry.api.lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "flowschema": (
            "FlowDistinguisherMethod",
            "FlowSchema",
            "FlowSchemaCondition",
            "FlowSchemaSpec",
            "FlowSchemaStatus",
            "GroupSubject",
            "NonResourcePolicyRule",
            "PolicyRulesWithSubjects",
            "PriorityLevelConfigurationReference",
            "ResourcePolicyRule",
            "ServiceAccountSubject",
            "Subject",
            "UserSubject",
        ),
        "prioritylevelconfiguration": (
            "ExemptPriorityLevelConfiguration",
            "LimitResponse",
            "LimitedPriorityLevelConfiguration",
            "PriorityLevelConfiguration",
            "PriorityLevelConfigurationCondition",
            "PriorityLevelConfigurationSpec",
            "PriorityLevelConfigurationStatus",
            "QueuingConfiguration",
        ),
    },
)
