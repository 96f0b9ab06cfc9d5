"""The types of the admissionregistration group, v1. A name is imported when it is first asked for."""

from wherry.api.admissionregistration_v1.common import MatchCondition as MatchCondition
from wherry.api.admissionregistration_v1.common import MatchResources as MatchResources
from wherry.api.admissionregistration_v1.common import (
    NamedRuleWithOperations as NamedRuleWithOperations,
)
from wherry.api.admissionregistration_v1.common import ParamKind as ParamKind
from wherry.api.admissionregistration_v1.common import ParamRef as ParamRef
from wherry.api.admissionregistration_v1.common import RuleWithOperations as RuleWithOperations
from wherry.api.admissionregistration_v1.common import ServiceReference as ServiceReference
from wherry.api.admissionregistration_v1.common import Variable as Variable
from wherry.api.admissionregistration_v1.common import (
    WebhookClientConfig as WebhookClientConfig,
)
from wherry.api.admissionregistration_v1.mutatingadmissionpolicy import (
    ApplyConfiguration as ApplyConfiguration,
)
from wherry.api.admissionregistration_v1.mutatingadmissionpolicy import JSONPatch as JSONPatch
from wherry.api.admissionregistration_v1.mutatingadmissionpolicy import (
    MutatingAdmissionPolicy as MutatingAdmissionPolicy,
)
from wherry.api.admissionregistration_v1.mutatingadmissionpolicy import (
    MutatingAdmissionPolicySpec as MutatingAdmissionPolicySpec,
)
from wherry.api.admissionregistration_v1.mutatingadmissionpolicy import Mutation as Mutation
from wherry.api.admissionregistration_v1.mutatingadmissionpolicybinding import (
    MutatingAdmissionPolicyBinding as MutatingAdmissionPolicyBinding,
)
from wherry.api.admissionregistration_v1.mutatingadmissionpolicybinding import (
    MutatingAdmissionPolicyBindingSpec as MutatingAdmissionPolicyBindingSpec,
)
from wherry.api.admissionregistration_v1.mutatingwebhookconfiguration import (
    MutatingWebhook as MutatingWebhook,
)
from wherry.api.admissionregistration_v1.mutatingwebhookconfiguration import (
    MutatingWebhookConfiguration as MutatingWebhookConfiguration,
)
from wherry.api.admissionregistration_v1.validatingadmissionpolicy import (
    AuditAnnotation as AuditAnnotation,
)
from wherry.api.admissionregistration_v1.validatingadmissionpolicy import (
    ExpressionWarning as ExpressionWarning,
)
from wherry.api.admissionregistration_v1.validatingadmissionpolicy import (
    TypeChecking as TypeChecking,
)
from wherry.api.admissionregistration_v1.validatingadmissionpolicy import (
    ValidatingAdmissionPolicy as ValidatingAdmissionPolicy,
)
from wherry.api.admissionregistration_v1.validatingadmissionpolicy import (
    ValidatingAdmissionPolicySpec as ValidatingAdmissionPolicySpec,
)
from wherry.api.admissionregistration_v1.validatingadmissionpolicy import (
    ValidatingAdmissionPolicyStatus as ValidatingAdmissionPolicyStatus,
)
from wherry.api.admissionregistration_v1.validatingadmissionpolicy import (
    Validation as Validation,
)
from wherry.api.admissionregistration_v1.validatingadmissionpolicybinding import (
    ValidatingAdmissionPolicyBinding as ValidatingAdmissionPolicyBinding,
)
from wherry.api.admissionregistration_v1.validatingadmissionpolicybinding import (
    ValidatingAdmissionPolicyBindingSpec as ValidatingAdmissionPolicyBindingSpec,
)
from wherry.api.admissionregistration_v1.validatingwebhookconfiguration import (
    ValidatingWebhook as ValidatingWebhook,
)
from wherry.api.admissionregistration_v1.validatingwebhookconfiguration import (
    ValidatingWebhookConfiguration as ValidatingWebhookConfiguration,
)
