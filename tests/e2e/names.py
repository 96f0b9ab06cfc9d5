"""Questions to a cluster's DNS, asked from a machine of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

ASK = """
import sys, json, dns.message, dns.query, dns.rcode
server, way = sys.argv[1:3]
found = []
for name, kind in zip(sys.argv[3::2], sys.argv[4::2]):
    query = dns.message.make_query(name, kind, use_edns=0)
    reply = getattr(dns.query, way)(query, server, timeout=5)
    records = [f"{kind_of} {one}" for rrset in reply.answer
               for kind_of in [dns.rdatatype.to_text(rrset.rdtype)] for one in rrset]
    authority = [dns.rdatatype.to_text(one.rdtype) for one in reply.authority]
    found.append([dns.rcode.to_text(reply.rcode()), sorted(records), authority])
print(json.dumps(found))
"""

Question = tuple[str, str]  # a name, a type of records


def ask(
    do: Callable[..., str], server: str, *questions: Question, way: str = "udp"
) -> dict[Question, list[Any]]:
    """[code, records, types of authority records] by question; empty when one was not answered.

    do: runs a command on the machine that asks
    """
    words = [word for question in questions for word in question]
    said = do(sys.executable, "-c", ASK, server, way, *words, check=False)
    try:
        return dict(zip(questions, json.loads(said), strict=True))
    except ValueError:
        return {}
