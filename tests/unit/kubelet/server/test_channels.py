"""Which protocol is spoken."""

from __future__ import annotations

import pytest

from kubelet.server.channels import FIFTH, FOURTH, OLDEST, agreed

KNOWN = (*FIFTH, *FOURTH, *OLDEST)


@pytest.mark.parametrize(
    ("offered", "want"),
    [
        ([], ""),
        (["channel.k8s.io"], "channel.k8s.io"),
        (["v9.other", "v4.channel.k8s.io", "v5.channel.k8s.io"], "v4.channel.k8s.io"),
        (["v9.other"], None),
    ],
    ids=["none", "one", "the client's first", "unknown"],
)
def test_agreed(offered: list[str], want: str | None) -> None:
    assert agreed(offered, KNOWN) == want
