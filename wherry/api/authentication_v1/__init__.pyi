"""The types of the authentication group, v1. A name is imported when it is first asked for."""

from wherry.api.authentication_v1.review import SelfSubjectReview as SelfSubjectReview
from wherry.api.authentication_v1.review import (
    SelfSubjectReviewStatus as SelfSubjectReviewStatus,
)
from wherry.api.authentication_v1.review import TokenReview as TokenReview
from wherry.api.authentication_v1.review import TokenReviewSpec as TokenReviewSpec
from wherry.api.authentication_v1.review import TokenReviewStatus as TokenReviewStatus
from wherry.api.authentication_v1.review import UserInfo as UserInfo
from wherry.api.authentication_v1.token import BoundObjectReference as BoundObjectReference
from wherry.api.authentication_v1.token import TokenRequest as TokenRequest
from wherry.api.authentication_v1.token import TokenRequestSpec as TokenRequestSpec
from wherry.api.authentication_v1.token import TokenRequestStatus as TokenRequestStatus
