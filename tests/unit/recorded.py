"""The resources whose facts were read off upstream's API server: all but those of its add-ons."""

from wherry.api.scheme import RESOURCES

RECORDED = tuple(resource for resource in RESOURCES if resource.group != "metrics.k8s.io")
