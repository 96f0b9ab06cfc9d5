"""Which events are sent: counts, combined wordings, limits."""

from wherry.client.correlator import BURST, COMBINED, WORDINGS_MAX, Correlator, Note, Subject

SUBJECT = Subject("kubelet", "n1", "Pod", "v1", "ns", "a", "uid", "")


def note(message="m", subject=SUBJECT, reason="Started"):
    return Note(subject, "Normal", reason, message)


def test_the_same_again_raises_the_count():
    correlator = Correlator()
    first = correlator.correlate(note(), 0.0)
    assert (first.message, first.sent.name, first.sent.count) == ("m", "", 1)
    first.sent.name = "a.1"
    second = correlator.correlate(note(), 1.0)
    assert (second.sent.name, second.sent.count) == ("a.1", 2)


def test_another_reason_or_subject_is_another_event():
    correlator = Correlator()
    correlator.correlate(note(), 0.0).sent.name = "a.1"
    assert correlator.correlate(note(reason="Pulled"), 0.0).sent.name == ""
    assert correlator.correlate(note(subject=SUBJECT._replace(uid="2")), 0.0).sent.name == ""


def test_many_wordings_are_combined():
    correlator = Correlator()
    outcomes = [correlator.correlate(note(f"m{i}"), float(i)) for i in range(WORDINGS_MAX + 2)]
    assert [o.message for o in outcomes[: WORDINGS_MAX - 1]] == [
        f"m{i}" for i in range(WORDINGS_MAX - 1)
    ]
    combined = outcomes[WORDINGS_MAX - 1 :]
    assert all(o.message.startswith(COMBINED) for o in combined)
    assert len({id(o.sent) for o in combined}) == 1
    assert combined[-1].sent.count == len(combined)


def test_wordings_are_forgotten_after_a_while():
    correlator = Correlator()
    for i in range(WORDINGS_MAX):
        correlator.correlate(note(f"m{i}"), 0.0)
    assert correlator.correlate(note("later"), 700.0).message == "later"


def test_a_talkative_subject_is_limited_and_recovers():
    correlator = Correlator()
    sent = [correlator.correlate(note(), 0.0) for _ in range(BURST + 5)]
    assert sum(outcome is not None for outcome in sent) == BURST
    assert correlator.correlate(note(subject=SUBJECT._replace(name="b")), 0.0) is not None
    assert correlator.correlate(note(), 299.0) is None
    after = correlator.correlate(note(), 301.0)
    assert after.sent.count == BURST + 5 + 2
