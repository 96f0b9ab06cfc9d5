"""`wherry api-resources`: what the server serves."""

from __future__ import annotations

from typing import Annotated

from cli.options import Option
from cli.session import Session
from cli.tables import align


def api_resources(
    session: Session,
    namespaced: Annotated[
        bool | None, Option("--namespaced/--no-namespaced", help="Only (not) those.")
    ] = None,
    api_group: Annotated[str | None, Option("--api-group", help="Of this group.")] = None,
    output: Annotated[str, Option("-o", "--output", help="wide or name.")] = "",
    no_headers: Annotated[bool, Option("--no-headers")] = False,
) -> None:
    """List the resources the server knows."""
    found = [
        one
        for one in session.catalogue.all(fresh=True)
        if (namespaced is None or one.namespaced == namespaced)
        and (api_group is None or one.group == api_group)
    ]
    found.sort(key=lambda one: (one.group, one.plural))
    if output == "name":
        for one in found:
            print(one.qualified)
        return
    head = ["NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND"]
    rows = [] if no_headers else [head + (["VERBS", "CATEGORIES"] if output == "wide" else [])]
    for one in found:
        row = [
            one.plural, ",".join(one.short_names), one.api_version,
            str(one.namespaced).lower(), one.kind,
        ]  # fmt: skip
        wide = [",".join(one.verbs), ",".join(one.categories)] if output == "wide" else []
        rows.append(row + wide)
    print("\n".join(align(rows)))
