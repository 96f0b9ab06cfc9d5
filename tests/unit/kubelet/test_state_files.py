"""A state file is whole or set aside, and then said."""

import pytest

from kubelet import state_files


def parse(tree):
    return int(tree["n"])


@pytest.fixture
def said():
    return []


def test_round(tmp_path, said):
    path = tmp_path / "a.json"
    assert state_files.read(path, parse, lambda *words: said.append(words)) is None
    state_files.write(path, {"n": 7})
    assert state_files.read(path, parse, lambda *words: said.append(words)) == 7
    assert [one.name for one in tmp_path.iterdir()] == ["a.json"]
    assert said == []


@pytest.mark.parametrize("text", [b"", b'{"n": 7', b"\0\0\0\0", b"[]", b'{"n": "x"}', b'{"m": 7}'])
def test_what_makes_no_sense_is_set_aside_and_said(tmp_path, said, text):
    path = tmp_path / "a.json"
    path.write_bytes(text)
    assert state_files.read(path, parse, lambda *words: said.append(words)) is None
    [aside] = tmp_path.iterdir()
    assert aside.name.startswith("a.json.corrupt-")
    assert aside.read_bytes() == text
    [(reason, message)] = said
    assert reason == "CorruptStateFile"
    assert str(path) in message
    assert aside.name in message


def test_only_so_many_are_kept(tmp_path, said):
    for n in range(state_files.ASIDE_MAX + 5):
        path = tmp_path / f"{n}.json"
        path.write_bytes(b"{")
        state_files.set_aside(path, "why", lambda *words: said.append(words))
    assert len(list(tmp_path.iterdir())) == state_files.ASIDE_MAX
    assert len(said) == state_files.ASIDE_MAX + 5


def test_a_failed_write_leaves_the_old(tmp_path):
    path = tmp_path / "a.json"
    state_files.write(path, {"n": 1})
    with pytest.raises(TypeError):
        state_files.write(path, {"n": object()})
    assert state_files.read(path, parse, print) == 1
