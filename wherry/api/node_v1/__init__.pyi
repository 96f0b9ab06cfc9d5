"""The types of the node group, v1. A name is imported when it is first asked for."""

from wherry.api.node_v1.runtimeclass import Overhead as Overhead
from wherry.api.node_v1.runtimeclass import RuntimeClass as RuntimeClass
from wherry.api.node_v1.runtimeclass import Scheduling as Scheduling
