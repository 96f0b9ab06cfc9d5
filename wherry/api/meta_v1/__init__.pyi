"""The types of the meta group, v1. A name is imported when it is first asked for."""

from wherry.api.meta_v1.meta import Condition as Condition
from wherry.api.meta_v1.meta import FieldSelectorRequirement as FieldSelectorRequirement
from wherry.api.meta_v1.meta import LabelSelector as LabelSelector
from wherry.api.meta_v1.meta import LabelSelectorRequirement as LabelSelectorRequirement
from wherry.api.meta_v1.meta import ListMeta as ListMeta
from wherry.api.meta_v1.meta import ManagedFieldsEntry as ManagedFieldsEntry
from wherry.api.meta_v1.meta import ObjectMeta as ObjectMeta
from wherry.api.meta_v1.meta import OwnerReference as OwnerReference
from wherry.api.meta_v1.status import DeleteOptions as DeleteOptions
from wherry.api.meta_v1.status import Preconditions as Preconditions
from wherry.api.meta_v1.status import Status as Status
from wherry.api.meta_v1.status import StatusCause as StatusCause
from wherry.api.meta_v1.status import StatusDetails as StatusDetails
