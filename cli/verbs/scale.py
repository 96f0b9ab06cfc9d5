"""`wherry scale`: how many replicas a workload has.

Source: k8s.io/kubectl/pkg/cmd/scale.
"""

from __future__ import annotations

from typing import Annotated

from cli.errors import CliError
from cli.http import MERGE_PATCH
from cli.options import Argument, Option
from cli.session import Session
from cli.targets import Target, targets


def scale(
    session: Session,
    words: Annotated[list[str], Argument("KIND/NAME... | KIND NAME...")],
    replicas: Annotated[int, Option("--replicas", help="How many there shall be.")],
    current_replicas: Annotated[int, Option("--current-replicas", help="Only if there are so many; -1: any.")] = -1,
) -> None:  # fmt: skip
    """Set the number of replicas."""
    if replicas < 0:
        raise CliError("The --replicas=COUNT flag is required, and COUNT must be greater than or equal to 0")  # fmt: skip
    for target in targets(words, session.catalogue):
        if not target.names:
            raise CliError(f"name the {target.resource.plural} to scale")
        for name in target.names:
            _scale(session, target, name, replicas, current_replicas)


def _scale(session: Session, target: Target, name: str, replicas: int, expected: int) -> None:
    resource = target.resource
    path = resource.path(session.namespace, name, "scale")
    patch: dict[str, object] = {"spec": {"replicas": replicas}}
    if expected >= 0:
        now = session.api.get(path)
        count = now.get("spec", {}).get("replicas", 0)
        if count != expected:
            raise CliError(f"Expected replicas to be {expected}, was {count}")
        patch["metadata"] = {"resourceVersion": now["metadata"]["resourceVersion"]}
    session.api.request("PATCH", path, body=patch, content_type=MERGE_PATCH)
    print(f"{resource.qualified_singular}/{name} scaled")
