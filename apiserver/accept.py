"""What an `Accept` header asks for, and how an answer is to be written: in one line, indented, as YAML.

Source: k8s.io/apiserver/pkg/endpoints/handlers/negotiation and its goautoneg.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from wherry.api.errors import ApiError, status_error
from wherry.api.numerals import boolean

JSON: Final = "application/json"
YAML: Final = "application/yaml"
_MEDIA: Final = {JSON: JSON, YAML: YAML, "application/*": JSON, "*/*": JSON}
# People read what these fetch. Source: isPrettyPrint.
_PEOPLES_AGENTS: Final = ("curl", "Wget", "Mozilla/5.0")
ACCEPTS_KEPT_MAX: Final = 256


class Choice(NamedTuple):
    """One clause of the header: JSON or YAML, and its parameters."""

    media: str
    parameters: Mapping[str, str]


class Style(NamedTuple):
    """How an answer is written."""

    media: str = JSON
    indented: bool = False


PLAIN: Final = Style()


@lru_cache(maxsize=ACCEPTS_KEPT_MAX)
def choices(accept: str) -> tuple[Choice, ...]:
    """What we can write of what the header names, best first: by `q`, then by how exact it is."""
    found = []
    for clause in (accept or JSON).split(","):
        media, *parameters = (part.strip() for part in clause.split(";"))
        values = dict(part.partition("=")[::2] for part in parameters)
        if media in _MEDIA:
            order = -_quality(values.pop("q", "1")), media == "*/*", media.endswith("/*")
            found.append((order, Choice(_MEDIA[media], values)))
    return tuple(choice for _, choice in sorted(found, key=lambda pair: pair[0]))


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 1.0


@lru_cache(maxsize=ACCEPTS_KEPT_MAX)
def style_of(accept: str, pretty: str, agent: str) -> Style:
    """How to write what is answered; JSON where the header names nothing that we write.

    pretty: the query parameter, "" when absent; it decides over what the User-Agent is.
    """
    best = next(iter(choices(accept)), Choice(JSON, {}))
    indented = boolean(pretty) is True if pretty else agent.startswith(_PEOPLES_AGENTS)
    return Style(best.media, indented or best.parameters.get("pretty") == "1")


def check_no_table(accept: str) -> None:
    """ApiError 406 when a header offers nothing but Tables, for kinds that have no columns."""
    for media, values in choices(accept):
        if media in (JSON, YAML) and values.get("as") != "Table":
            return
    raise not_acceptable(JSON, YAML)


def not_acceptable(*offered: str) -> ApiError:
    """406: the header names nothing of what is offered."""
    words = ", ".join(offered)
    return status_error("NotAcceptable", f"only the following media types are accepted: {words}")
