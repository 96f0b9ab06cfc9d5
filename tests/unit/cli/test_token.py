from datetime import UTC, datetime

import pytest

from cli.verbs.token import row
from deploy.pki import ensure_authority
from deploy.tokens import TOKEN, Token, join_line, key_hashes, new_token, secret_of

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def test_tokens_look_like_tokens():
    assert TOKEN.fullmatch(str(new_token()))
    assert Token.parse("abcdef.0123456789abcdef") == Token("abcdef", "0123456789abcdef")
    for wrong in ("abcdef", "abcdef.0123", "ABCDEF.0123456789abcdef"):
        with pytest.raises(ValueError, match="is no token"):
            Token.parse(wrong)


def test_a_token_is_a_secret_with_an_end_unless_told_otherwise():
    token = Token("abcdef", "0123456789abcdef")
    assert "expiration" in secret_of(token)["data"]
    made = secret_of(token, life_seconds=0, groups="", usages=["signing"])
    assert made["metadata"]["name"] == "bootstrap-token-abcdef"
    assert set(made["data"]) == {"token-id", "token-secret", "usage-bootstrap-signing"}


@pytest.mark.parametrize(
    "wrong", [{"usages": ["all"]}, {"groups": "system:masters"}, {"groups": "devs"}], ids=str
)
def test_no_token_for_what_none_may_be_for(wrong):
    with pytest.raises(ValueError, match="is no"):
        secret_of(Token("abcdef", "0123456789abcdef"), **wrong)


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


def test_the_line_to_join_by_names_every_authority(tmp_path):
    ca = ensure_authority(tmp_path).path.read_bytes()
    line = join_line("10.0.0.1:6443", Token("abcdef", "0123456789abcdef"), ca)
    (one,) = key_hashes(ca)
    assert line == (
        "wherry join 10.0.0.1:6443 --token abcdef.0123456789abcdef "
        f"--discovery-token-ca-cert-hash {one}"
    )
