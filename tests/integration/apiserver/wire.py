"""Scores our answers to the recorded requests against upstream's: `make wire` and `test_wire.py`.

Each row scores three points: the status code; code, reason and causes (or the object after blanking);
every word. Descriptions of columns are ours to word. The recording stands beside the project and is not
part of it. Run alone it asks every row and lists the misses; an argument is a file to write them to.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from wherry.api.scheme import RESOURCES

RECORDED = Path(__file__).parents[3].parent / "shared" / "upstream" / "wire.jsonl"
BLANK = "*"
_PATH = re.compile(
    r"/(?:api/(?P<core>v1)|apis/(?P<group>[^/]+)/(?P<version>[^/]+))/"
    r"(?:namespaces/[^/]+/)?(?P<plural>[a-z]+)"
)
_SERVED = {(one.group, one.version, one.plural) for one in RESOURCES}


@dataclass
class Score:
    rows: int = 0
    points: Counter[str] = field(default_factory=Counter)
    misses: list[str] = field(default_factory=list)

    def share(self, what: str) -> float:
        return self.points[what] / self.rows

    def __str__(self) -> str:
        names = {
            "code": "status code",
            "meaning": "code, reason and fields, or object",
            "words": "every word",
        }
        lines = [f"{self.rows} requests"]
        for what, name in names.items():
            lines.append(f"{self.points[what]:5} = {self.share(what):.2%}  {name}")
        return "\n".join(lines)

    def add(self, row: Mapping[str, Any], got: dict[str, Any]) -> None:
        want = row["want"]
        self.rows += 1
        found = {
            "code": got["code"] == want["code"],
            "meaning": meaning(got) == meaning(want),
            "words": words(got) == words(want),
        }
        for what, good in found.items():
            self.points[what] += good
        if not all(found.values()):
            missed = ",".join(what for what, good in found.items() if not good)
            self.misses.append(
                f"{row['id']} {row['method']} {row['path']} [{missed}]\n"
                f"   got  {difference(got, want)}"
            )


def all_rows() -> Iterator[dict[str, Any]]:
    """Every recorded request."""
    return map(json.loads, RECORDED.read_text().splitlines())


def served_rows() -> Iterator[dict[str, Any]]:
    """Those about kinds that are served."""
    for row in all_rows():
        match = _PATH.match(row["path"])
        if match is None:
            continue
        where = match["group"] or "", match["version"] or "v1", match["plural"]
        if where in _SERVED:
            yield row


def blanked(got: Any, want: Any) -> Any:
    """`got`, with everything blank that `want` has blank."""
    if want == BLANK:
        return BLANK
    if isinstance(want, dict) and isinstance(got, dict):
        return {key: blanked(value, want.get(key)) for key, value in got.items()}
    if isinstance(want, list) and isinstance(got, list) and len(want) == len(got):
        return [blanked(left, right) for left, right in zip(got, want, strict=True)]
    if isinstance(want, str) and BLANK in want and isinstance(got, str):
        pattern = ".*".join(re.escape(part) for part in want.split(BLANK))
        return want if re.fullmatch(pattern, got, re.DOTALL) else got
    return got


def meaning(answer: Mapping[str, Any]) -> Any:
    body = answer["body"]
    if answer["code"] < 400:
        return answer["code"], without_descriptions(body)
    causes = (body.get("details") or {}).get("causes", ())
    found = {(one.get("reason", ""), one.get("field", "")) for one in causes}
    return answer["code"], body.get("reason"), found


def words(answer: Mapping[str, Any]) -> Any:
    return without_descriptions(answer["body"]), sorted(answer["warning"])


def without_descriptions(body: Any) -> Any:
    """Columns' descriptions are ours to word."""
    if not isinstance(body, dict) or body.get("kind") != "Table":
        return body
    columns = [{**one, "description": ""} for one in body.get("columnDefinitions", ())]
    return {**body, "columnDefinitions": columns}


def difference(got: Mapping[str, Any], want: Mapping[str, Any]) -> str:
    if got["code"] != want["code"]:
        return f"{got['code']} {json.dumps(got['body'])[:600]}\n   want {want['code']} {json.dumps(want['body'])[:600]}"
    if got["warning"] != want["warning"]:
        return f"{got['warning']}\n   want {want['warning']}"
    return f"{json.dumps(words(got)[0])[:1500]}\n   want {json.dumps(words(want)[0])[:1500]}"


async def ask(client: httpx.AsyncClient, row: Mapping[str, Any]) -> dict[str, Any]:
    headers = {"User-Agent": "wire/1", **row["headers"]}
    body = row["body"]
    content = None
    if body is not None:
        content = body if isinstance(body, str) else json.dumps(body)
        headers.setdefault("Content-Type", "application/json")
    answer = await client.request(row["method"], row["path"], content=content, headers=headers)
    try:
        tree = answer.json()
    except ValueError:
        tree = {"text": answer.text}
    got = {
        "code": answer.status_code,
        "warning": answer.headers.get_list("warning"),
        "body": tree,
    }
    if row["want"]["code"] == got["code"]:
        strip(got["body"])
        got["body"] = blanked(got["body"], row["want"]["body"])
    return got


def strip(body: Any) -> None:
    """What the recording leaves out."""
    metadata = body.get("metadata") if isinstance(body, dict) else None
    if isinstance(metadata, dict):
        metadata.pop("managedFields", None)


async def score_of(client: httpx.AsyncClient, rows: Iterable[Mapping[str, Any]]) -> Score:
    """Ask the rows, in their order, of a server as the recorded one was."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
    made = await client.post("/api/v1/namespaces/default/serviceaccounts", json=account)
    assert made.status_code in (201, 409), made.text
    score = Score()
    for row in rows:
        score.add(row, await ask(client, row))
    return score


def main(arguments: Sequence[str]) -> None:
    from tests.integration import conftest as servers  # pytest must see it first in its own runs

    async def measure() -> Score:
        async with server.client() as client:
            return await score_of(client, all_rows())

    with servers.running_etcd() as etcd, servers.running_apiserver(etcd) as server:
        score = asyncio.run(measure())
    misses = "\n".join(score.misses)
    if arguments:
        Path(arguments[0]).write_text(misses)
    else:
        print(misses, end="\n\n")
    print(score)


if __name__ == "__main__":
    main(sys.argv[1:])
