"""The types of the scheduling group, v1. A name is imported when it is first asked for."""

from wherry.api.scheduling_v1.priorityclass import PriorityClass as PriorityClass
