"""What is due, and that a rotation of an authority never leaves anybody without trust."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from deploy.inventory import AuthoritySpec, CertificateSpec, Inventory, Lifetimes
from deploy.rotation import (
    Announce,
    HeldCertificate,
    HeldSigner,
    Issue,
    Make,
    Phase,
    Promote,
    Retire,
    plan,
)

NOW = datetime(2026, 6, 1, tzinfo=UTC)
LIVES = Lifetimes(authority=1000, certificate=100, settle=10)
INVENTORY = Inventory(
    "/pki", (AuthoritySpec("ca", "ca", "/pki/ca"),), (CertificateSpec("a", "ca", "/pki/a", "a"),),
    LIVES,
)  # fmt: skip


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


GOOD = {"ca": HeldSigner(after(900))}
FRESH = {"a": HeldCertificate(after(90))}


def test_what_is_good_is_left_alone() -> None:
    assert plan(INVENTORY, GOOD, FRESH, NOW) == []


def test_what_is_missing_is_made_authority_first() -> None:
    assert plan(INVENTORY, {}, {}, NOW) == [Make("ca")]
    assert plan(INVENTORY, GOOD, {}, NOW) == [Issue("a")]


def test_a_certificate_is_renewed_with_a_quarter_left_when_wrong_when_asked() -> None:
    assert plan(INVENTORY, GOOD, {"a": HeldCertificate(after(26))}, NOW) == []
    assert plan(INVENTORY, GOOD, {"a": HeldCertificate(after(24))}, NOW) == [Issue("a")]
    assert plan(INVENTORY, GOOD, {"a": HeldCertificate(after(-5))}, NOW) == [Issue("a")]
    for wrong in (replace(FRESH["a"], fits=False), replace(FRESH["a"], current=False)):
        assert plan(INVENTORY, GOOD, {"a": wrong}, NOW) == [Issue("a")]
    assert plan(INVENTORY, GOOD, FRESH, NOW, {"a"}) == [Issue("a")]


def test_an_authority_goes_through_its_phases() -> None:
    due = {"ca": HeldSigner(after(249))}
    assert plan(INVENTORY, due, FRESH, NOW) == [Announce("ca")]
    assert plan(INVENTORY, GOOD, FRESH, NOW, {"ca"}) == [Announce("ca")]
    announced = {"ca": HeldSigner(after(249), Phase.ANNOUNCED, NOW)}
    assert plan(INVENTORY, announced, FRESH, after(9), {"ca"}) == []
    assert plan(INVENTORY, announced, FRESH, after(10)) == [Promote("ca")]
    signing = {"ca": HeldSigner(after(1000), Phase.SIGNING, NOW)}
    old = {"a": replace(FRESH["a"], current=False)}
    assert plan(INVENTORY, signing, old, NOW) == [Issue("a")]
    assert plan(INVENTORY, signing, FRESH, after(9)) == []
    assert plan(INVENTORY, signing, old, after(10)) == [Issue("a")]  # not retired meanwhile
    assert plan(INVENTORY, signing, FRESH, after(10)) == [Retire("ca")]


@given(st.lists(st.integers(1, 60), min_size=30, max_size=120))
def test_with_looks_at_any_times_nothing_runs_out_and_trust_overlaps(gaps: list[int]) -> None:
    """A model of the world: who trusts which authorities, who shows which certificate."""
    now, signer, ends, trusted = NOW, 0, {0: after(1000)}, {0}
    phase, since, successor = Phase.STEADY, None, 0
    shown, shown_end = 0, after(100)
    promised: dict[int, datetime] = {0: NOW}  # since when each is trusted by everybody
    for gap in gaps:
        now += timedelta(seconds=min(gap, 20))  # looks come at least five times in a life
        for _ in range(5):
            held = {"ca": HeldSigner(ends[signer], phase, since)}
            certificate = {"a": HeldCertificate(shown_end, current=shown == signer)}
            steps = plan(INVENTORY, held, certificate, now)
            for step in steps:
                match step:
                    case Announce():
                        successor += 1
                        ends[successor] = now + timedelta(seconds=1000)
                        trusted.add(successor)
                        promised[successor] = now + timedelta(seconds=LIVES.settle)
                        phase, since = Phase.ANNOUNCED, now
                    case Promote():
                        signer, phase, since = successor, Phase.SIGNING, now
                    case Retire():
                        trusted, phase, since = {signer}, Phase.STEADY, None
                    case Issue():
                        shown = signer
                        shown_end = min(now + timedelta(seconds=100), ends[signer])
            if not steps:
                break
        else:
            raise AssertionError("the plan never comes to an end")
        assert shown in trusted
        assert promised[shown] <= now, "shown before everybody trusts it"
        assert shown_end > now
        assert ends[signer] > now
