"""What an `Accept` header asks for; how answers for people are written."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import yaml

from apiserver.accept import JSON, PLAIN, YAML, Style, check_no_table, choices, style_of
from apiserver.handlers.negotiate import Form, form_of
from apiserver.http.writing import restyled
from apiserver.request import Response
from wherry.api.errors import ApiError

TABLE = "as=Table;v=v1;g=meta.k8s.io"


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        ("", [JSON]),
        ("application/vnd.kubernetes.protobuf,application/json", [JSON]),
        ("application/json;q=0.5, application/yaml", [YAML, JSON]),
        ("*/*, application/yaml", [YAML, JSON]),
        ("application/*;q=nonsense", [JSON]),
        ("text/html", []),
    ],
)
def test_what_we_can_write_comes_best_first(accept: str, media: list[str]) -> None:
    assert [choice.media for choice in choices(accept)] == media


@pytest.mark.parametrize(
    ("accept", "pretty", "agent", "style"),
    [
        ("", "", "kubectl/v1", PLAIN),
        ("text/html", "", "", PLAIN),
        ("", "", "curl/7.88", Style(JSON, True)),
        ("", "false", "curl/7.88", PLAIN),
        ("", "true", "", Style(JSON, True)),
        ("application/json;pretty=1", "", "", Style(JSON, True)),
        ("application/yaml", "", "", Style(YAML)),
    ],
)
def test_people_get_indented_answers(accept: str, pretty: str, agent: str, style: Style) -> None:
    assert style_of(accept, pretty, agent) == style


def test_yaml_may_be_a_table_but_never_a_watch() -> None:
    assert form_of(f"application/yaml;{TABLE}") == Form("table")
    assert form_of(f"application/yaml, application/json;{TABLE}", streamed=True) == Form("table")
    with pytest.raises(ApiError) as refused:
        form_of("application/yaml", streamed=True)
    assert (refused.value.code, refused.value.reason) == (406, "NotAcceptable")


def test_a_kind_without_columns_is_no_table() -> None:
    for fine in ("", "*/*", f"application/json;{TABLE},application/json"):
        check_no_table(fine)
    for wrong in (f"application/json;{TABLE}", "text/html"):
        with pytest.raises(ApiError) as refused:
            check_no_table(wrong)
        assert refused.value.code == 406


async def test_an_answer_is_written_as_yaml_whole_or_streamed() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b'{"kind":"X",'
        yield '"data":{"ü":"on"}}'.encode()

    for body in (chunks(), '{"kind":"X","data":{"ü":"on"}}'.encode()):
        answer = await restyled(Response(body=body), Style(YAML))
        assert answer.content_type == YAML
        assert isinstance(answer.body, bytes)
        assert yaml.safe_load(answer.body) == {"kind": "X", "data": {"ü": "on"}}


async def test_only_json_is_rewritten() -> None:
    text = Response(body=b"a: b", content_type="text/plain")
    assert await restyled(text, Style(YAML)) is text
    indented = await restyled(Response(201, b'{"a":{},"b":[1]}'), Style(JSON, True))
    assert indented == Response(201, b'{\n  "a": {},\n  "b": [\n    1\n  ]\n}')
