"""The types of the authorization group, v1. A name is imported when it is first asked for."""

from wherry.api.authorization_v1.localsubjectaccessreview import (
    LocalSubjectAccessReview as LocalSubjectAccessReview,
)
from wherry.api.authorization_v1.review import (
    FieldSelectorAttributes as FieldSelectorAttributes,
)
from wherry.api.authorization_v1.review import (
    LabelSelectorAttributes as LabelSelectorAttributes,
)
from wherry.api.authorization_v1.review import NonResourceAttributes as NonResourceAttributes
from wherry.api.authorization_v1.review import ResourceAttributes as ResourceAttributes
from wherry.api.authorization_v1.review import (
    SelfSubjectAccessReview as SelfSubjectAccessReview,
)
from wherry.api.authorization_v1.review import (
    SelfSubjectAccessReviewSpec as SelfSubjectAccessReviewSpec,
)
from wherry.api.authorization_v1.review import SubjectAccessReview as SubjectAccessReview
from wherry.api.authorization_v1.review import (
    SubjectAccessReviewSpec as SubjectAccessReviewSpec,
)
from wherry.api.authorization_v1.review import (
    SubjectAccessReviewStatus as SubjectAccessReviewStatus,
)
from wherry.api.authorization_v1.selfsubjectrulesreview import (
    NonResourceRule as NonResourceRule,
)
from wherry.api.authorization_v1.selfsubjectrulesreview import ResourceRule as ResourceRule
from wherry.api.authorization_v1.selfsubjectrulesreview import (
    SelfSubjectRulesReview as SelfSubjectRulesReview,
)
from wherry.api.authorization_v1.selfsubjectrulesreview import (
    SelfSubjectRulesReviewSpec as SelfSubjectRulesReviewSpec,
)
from wherry.api.authorization_v1.selfsubjectrulesreview import (
    SubjectRulesReviewStatus as SubjectRulesReviewStatus,
)
