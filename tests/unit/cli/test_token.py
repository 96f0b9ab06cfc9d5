from datetime import UTC, datetime

import pytest

from cli.verbs.token import TOKEN, _given, _random, key_hashes, row
from deploy.pki import ensure_authority

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def test_tokens_look_like_tokens():
    assert TOKEN.fullmatch(f"{_random(6)}.{_random(16)}")
    assert _given("abcdef.0123456789abcdef") == ("abcdef", "0123456789abcdef")
    for wrong in ("abcdef", "abcdef.0123", "ABCDEF.0123456789abcdef"):
        with pytest.raises(Exception, match="is no token"):
            _given(wrong)


def test_a_row_says_how_long_it_is_good_for():
    data = {
        "token-id": "abcdef", "token-secret": "s", "usage-bootstrap-signing": "true",
        "expiration": "2026-06-01T02:00:00Z",
    }  # fmt: skip
    assert row(data, NOW)[:4] == ["abcdef.s", "120m", "2026-06-01T02:00:00Z", "signing"]
    assert row({**data, "expiration": "2026-05-01T02:00:00Z"}, NOW)[1] == "<expired>"
    assert row({"token-id": "a"}, NOW)[1:4] == ["<forever>", "<never>", "<none>"]


def test_the_hash_is_of_each_authoritys_key(tmp_path):
    ca = ensure_authority(tmp_path).path.read_bytes()
    other = ensure_authority(tmp_path / "other").path.read_bytes()
    (one,) = key_hashes(ca)
    assert one.startswith("sha256:")
    assert len(one) == 71
    assert key_hashes(ca + other) == [one, *key_hashes(other)]
