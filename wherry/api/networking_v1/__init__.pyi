"""The types of the networking group, v1. A name is imported when it is first asked for."""

from wherry.api.networking_v1.ingress import HTTPIngressPath as HTTPIngressPath
from wherry.api.networking_v1.ingress import HTTPIngressRuleValue as HTTPIngressRuleValue
from wherry.api.networking_v1.ingress import Ingress as Ingress
from wherry.api.networking_v1.ingress import IngressBackend as IngressBackend
from wherry.api.networking_v1.ingress import (
    IngressLoadBalancerIngress as IngressLoadBalancerIngress,
)
from wherry.api.networking_v1.ingress import (
    IngressLoadBalancerStatus as IngressLoadBalancerStatus,
)
from wherry.api.networking_v1.ingress import IngressPortStatus as IngressPortStatus
from wherry.api.networking_v1.ingress import IngressRule as IngressRule
from wherry.api.networking_v1.ingress import IngressServiceBackend as IngressServiceBackend
from wherry.api.networking_v1.ingress import IngressSpec as IngressSpec
from wherry.api.networking_v1.ingress import IngressStatus as IngressStatus
from wherry.api.networking_v1.ingress import IngressTLS as IngressTLS
from wherry.api.networking_v1.ingress import ServiceBackendPort as ServiceBackendPort
from wherry.api.networking_v1.ingressclass import IngressClass as IngressClass
from wherry.api.networking_v1.ingressclass import (
    IngressClassParametersReference as IngressClassParametersReference,
)
from wherry.api.networking_v1.ingressclass import IngressClassSpec as IngressClassSpec
from wherry.api.networking_v1.ipaddress import IPAddress as IPAddress
from wherry.api.networking_v1.ipaddress import IPAddressSpec as IPAddressSpec
from wherry.api.networking_v1.ipaddress import ParentReference as ParentReference
from wherry.api.networking_v1.networkpolicy import IPBlock as IPBlock
from wherry.api.networking_v1.networkpolicy import NetworkPolicy as NetworkPolicy
from wherry.api.networking_v1.networkpolicy import (
    NetworkPolicyEgressRule as NetworkPolicyEgressRule,
)
from wherry.api.networking_v1.networkpolicy import (
    NetworkPolicyIngressRule as NetworkPolicyIngressRule,
)
from wherry.api.networking_v1.networkpolicy import NetworkPolicyPeer as NetworkPolicyPeer
from wherry.api.networking_v1.networkpolicy import NetworkPolicyPort as NetworkPolicyPort
from wherry.api.networking_v1.networkpolicy import NetworkPolicySpec as NetworkPolicySpec
from wherry.api.networking_v1.servicecidr import ServiceCIDR as ServiceCIDR
from wherry.api.networking_v1.servicecidr import ServiceCIDRSpec as ServiceCIDRSpec
from wherry.api.networking_v1.servicecidr import ServiceCIDRStatus as ServiceCIDRStatus
