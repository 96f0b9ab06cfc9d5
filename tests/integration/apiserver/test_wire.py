"""The recorded requests for our kinds, asked of a real server on a real etcd. The scorer: `wire.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.integration.apiserver.wire import RECORDED, score_of, served_rows

# What of all points the rows for our kinds must reach; the rest are times, ports and addresses inside
# messages, which differ from run to run.
CODES_MIN, MEANING_MIN, WORDS_MIN = 0.998, 0.995, 0.975

pytestmark = pytest.mark.skipif(
    not RECORDED.exists(), reason="no recorded facts beside the project"
)


async def test_the_recorded_answers_for_our_kinds(apiserver: Any, tmp_path: Path) -> None:
    async with apiserver.client() as client:
        score = await score_of(client, served_rows())
    (tmp_path / "wire.txt").write_text("\n".join([str(score), *score.misses]))
    print(score, f"(misses: {tmp_path}/wire.txt)", sep="\n")
    shown = "\n".join(score.misses[:40])
    assert score.share("code") >= CODES_MIN, shown
    assert score.share("meaning") >= MEANING_MIN, shown
    assert score.share("words") >= WORDS_MIN, shown
