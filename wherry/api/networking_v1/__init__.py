"""The types of the networking group, v1. A name is imported when it is first asked for."""

from __future__ import annotations

from wherry.api.lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "ingress": (
            "HTTPIngressPath",
            "HTTPIngressRuleValue",
            "Ingress",
            "IngressBackend",
            "IngressLoadBalancerIngress",
            "IngressLoadBalancerStatus",
            "IngressPortStatus",
            "IngressRule",
            "IngressServiceBackend",
            "IngressSpec",
            "IngressStatus",
            "IngressTLS",
            "ServiceBackendPort",
        ),
        "ingressclass": ("IngressClass", "IngressClassParametersReference", "IngressClassSpec"),
        "ipaddress": ("IPAddress", "IPAddressSpec", "ParentReference"),
        "networkpolicy": (
            "IPBlock",
            "NetworkPolicy",
            "NetworkPolicyEgressRule",
            "NetworkPolicyIngressRule",
            "NetworkPolicyPeer",
            "NetworkPolicyPort",
            "NetworkPolicySpec",
        ),
        "servicecidr": ("ServiceCIDR", "ServiceCIDRSpec", "ServiceCIDRStatus"),
    },
)
