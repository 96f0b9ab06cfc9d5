"""The types of the flowcontrol group, v1. A name is imported when it is first asked for."""

from wherry.api.flowcontrol_v1.flowschema import (
    FlowDistinguisherMethod as FlowDistinguisherMethod,
)
from wherry.api.flowcontrol_v1.flowschema import FlowSchema as FlowSchema
from wherry.api.flowcontrol_v1.flowschema import FlowSchemaCondition as FlowSchemaCondition
from wherry.api.flowcontrol_v1.flowschema import FlowSchemaSpec as FlowSchemaSpec
from wherry.api.flowcontrol_v1.flowschema import FlowSchemaStatus as FlowSchemaStatus
from wherry.api.flowcontrol_v1.flowschema import GroupSubject as GroupSubject
from wherry.api.flowcontrol_v1.flowschema import NonResourcePolicyRule as NonResourcePolicyRule
from wherry.api.flowcontrol_v1.flowschema import (
    PolicyRulesWithSubjects as PolicyRulesWithSubjects,
)
from wherry.api.flowcontrol_v1.flowschema import (
    PriorityLevelConfigurationReference as PriorityLevelConfigurationReference,
)
from wherry.api.flowcontrol_v1.flowschema import ResourcePolicyRule as ResourcePolicyRule
from wherry.api.flowcontrol_v1.flowschema import ServiceAccountSubject as ServiceAccountSubject
from wherry.api.flowcontrol_v1.flowschema import Subject as Subject
from wherry.api.flowcontrol_v1.flowschema import UserSubject as UserSubject
from wherry.api.flowcontrol_v1.prioritylevelconfiguration import (
    ExemptPriorityLevelConfiguration as ExemptPriorityLevelConfiguration,
)
from wherry.api.flowcontrol_v1.prioritylevelconfiguration import (
    LimitedPriorityLevelConfiguration as LimitedPriorityLevelConfiguration,
)
from wherry.api.flowcontrol_v1.prioritylevelconfiguration import LimitResponse as LimitResponse
from wherry.api.flowcontrol_v1.prioritylevelconfiguration import (
    PriorityLevelConfiguration as PriorityLevelConfiguration,
)
from wherry.api.flowcontrol_v1.prioritylevelconfiguration import (
    PriorityLevelConfigurationCondition as PriorityLevelConfigurationCondition,
)
from wherry.api.flowcontrol_v1.prioritylevelconfiguration import (
    PriorityLevelConfigurationSpec as PriorityLevelConfigurationSpec,
)
from wherry.api.flowcontrol_v1.prioritylevelconfiguration import (
    PriorityLevelConfigurationStatus as PriorityLevelConfigurationStatus,
)
from wherry.api.flowcontrol_v1.prioritylevelconfiguration import (
    QueuingConfiguration as QueuingConfiguration,
)
