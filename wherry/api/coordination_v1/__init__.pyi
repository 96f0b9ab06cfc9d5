"""The types of the coordination group, v1. A name is imported when it is first asked for."""

from wherry.api.coordination_v1.lease import Lease as Lease
from wherry.api.coordination_v1.lease import LeaseSpec as LeaseSpec
