"""IP addresses and networks (CIDRs) in the forms the API takes.

Texts that only a lenient parser understands (leading zeros, IPv4 inside IPv6, bits beyond the prefix)
are refused with the reason; fields younger than these rules also insist on the canonical form.

Source: k8s.io/apimachinery/pkg/util/validation/ip.go, with StrictIPCIDRValidation.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from apiserver.registry.validation.words import VALID_IP
from wherry.api.errors import FieldError, invalid

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

VALID_CIDR: Final = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
_ZEROS = re.compile(r"(?<![0-9a-fA-F:])0+(?=[0-9])")
_CIDR = re.compile(r"([^/%]+)/([0-9]{1,4})")


def parse_address(text: str) -> Address | None:
    """The address in a text, leniently; None when there is none."""
    if "%" in text:
        return None
    try:
        return ipaddress.ip_address(_ZEROS.sub("", text))
    except ValueError:
        return None


def parse_network(text: str) -> Network | None:
    """The network in a text, leniently; None when there is none."""
    match = _CIDR.fullmatch(text)
    address = parse_address(match[1]) if match else None
    if match is None or address is None or int(match[2]) > address.max_prefixlen:
        return None
    return ipaddress.ip_network((address, int(match[2])), strict=False)


def address_problems(text: str) -> list[str]:
    """Why this is not an address in canonical form."""
    parsed = parse_address(text)
    if parsed is None:
        return [VALID_IP]
    if _ZEROS.search(text):
        return ["must not have leading 0s"]
    if _is_mapped(parsed):
        return ["must not be an IPv4-mapped IPv6 address"]
    return [] if str(parsed) == text else [f'must be in canonical form ("{parsed}")']


def network(text: str, path: str, *, canonical: bool = False) -> list[FieldError]:
    """A network; `canonical` for fields that were never lenient."""
    parsed = parse_network(text)
    if parsed is None:
        return [invalid(path, text, VALID_CIDR)]
    host = parse_address(text.partition("/")[0])
    if _ZEROS.search(text):
        problem = "must not have leading 0s in IP or prefix length"
    elif host is not None and _is_mapped(host):
        problem = "must not have an IPv4-mapped IPv6 address"
    elif host != parsed.network_address:
        problem = "must not have bits set beyond the prefix length"
    elif canonical and str(parsed) != text:
        problem = f'must be in canonical form ("{parsed}")'
    else:
        return []
    return [invalid(path, text, problem)]


def _is_mapped(address: Address) -> bool:
    return isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None
