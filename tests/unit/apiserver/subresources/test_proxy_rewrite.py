"""Links, redirects and headers on their way through `proxy`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.subresources.proxy_rewrite import (
    HtmlRewriter,
    request_headers,
    response_headers,
    rewrite_url,
)

PREFIX = "/api/v1/namespaces/n/services/s/proxy"
HOSTS = ("cluster:6443", "10.0.0.1:80")


def html(page: bytes, step: int = 1000) -> bytes:
    rewriter = HtmlRewriter(PREFIX, HOSTS)
    found = [rewriter.feed(page[at : at + step]) for at in range(0, len(page), step)]
    return b"".join(found) + rewriter.finish()


@pytest.mark.parametrize(
    ("url", "want"),
    [
        pytest.param("/x", f"{PREFIX}/x", id="absolute path"),
        pytest.param("/x/?q=1#f", f"{PREFIX}/x/?q=1#f", id="query and fragment"),
        pytest.param("/", f"{PREFIX}/", id="root"),
        pytest.param("x/y", "x/y", id="relative"),
        pytest.param("#top", "#top", id="fragment"),
        pytest.param("http://10.0.0.1:80/x", f"{PREFIX}/x", id="the server's own host"),
        pytest.param("https://cluster:6443/x", f"{PREFIX}/x", id="our host"),
        pytest.param("http://elsewhere/x", "http://elsewhere/x", id="another host"),
        pytest.param("//elsewhere/x", "//elsewhere/x", id="another host, same scheme"),
        pytest.param(f"{PREFIX}/x", f"{PREFIX}/x", id="has the prefix"),
        pytest.param(f"{PREFIX}x", f"{PREFIX}{PREFIX}x", id="only begins like it"),
        pytest.param("mailto:a@b", "mailto:a@b", id="no path"),
        pytest.param("http://[broken", "http://[broken", id="broken"),
    ],
)
def test_urls(url: str, want: str) -> None:
    assert rewrite_url(url, PREFIX, HOSTS) == want


@pytest.mark.parametrize(
    ("page", "want"),
    [
        ('<a href="/x">x</a>', f'<a href="{PREFIX}/x">x</a>'),
        ("<A class=k HREF='/x'>", f"<A class=k HREF='{PREFIX}/x'>"),
        ("<img alt='a>b' src=/x.png>", f"<img alt='a>b' src={PREFIX}/x.png>"),
        ("<script src='/s.js'>'<a href=\"/x\">'</script>", None),
        ("<!-- <a href='/x'> --><a href='y'>", "<!-- <a href='/x'> --><a href='y'>"),
        ("<p title='/x'>1 < 2 & 3 > 2</p>", "<p title='/x'>1 < 2 & 3 > 2</p>"),
        ("<a href='/x", "<a href='/x"),
    ],
    ids=["double", "single", "bare", "script", "comment", "no link", "cut off"],
)
@pytest.mark.parametrize("step", [1, 7, 1000])
def test_pages(page: str, want: str | None, step: int) -> None:
    if want is None:
        want = page.replace("'/s.js'", f"'{PREFIX}/s.js'")
    assert html(page.encode(), step).decode() == want


@given(st.text(alphabet="<>a!-/\"'= hrefscipt", max_size=60), st.integers(1, 9))
def test_however_a_page_is_cut_it_reads_the_same(page: str, step: int) -> None:
    assert html(page.encode(), step) == html(page.encode())


def test_request_headers() -> None:
    headers = [
        ("Host", "h"), ("Authorization", "Bearer secret"), ("Connection", "keep-alive, X-Hop"),
        ("X-Hop", "1"), ("Cookie", "c=1"), ("Upgrade", "websocket"), ("Expect", "100-continue"),
        ("Impersonate-User", "eve"), ("Impersonate-Extra-Scopes", "all"),
    ]  # fmt: skip
    kept = [("host", "h"), ("cookie", "c=1")]
    assert request_headers(headers, upgrade=False) == [*kept, ("connection", "close")]
    assert request_headers(headers, upgrade=True) == [
        *kept, ("connection", "keep-alive, X-Hop"), ("upgrade", "websocket"),
    ]  # fmt: skip


def test_response_headers() -> None:
    headers = [("set-cookie", "a"), ("set-cookie", "b"), ("connection", "close"), ("te", "x")]
    assert response_headers(headers) == [("set-cookie", "a"), ("set-cookie", "b")]
