"""Values that follow their files, and stay while these make no sense."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from wherry.daemon.files import Followed


class Clock:
    """Lets time pass as often as told, doing something each time."""

    def __init__(self, *deeds) -> None:
        self._deeds = list(deeds)

    async def sleep(self, seconds: float) -> None:
        if not self._deeds:
            raise asyncio.CancelledError
        self._deeds.pop(0)()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "n"
    made.write_text("1")
    return made


def numbers(file: Path) -> Followed[int]:
    return Followed("the numbers", [file], lambda: int(file.read_text()))


def test_a_change_is_seen_once(file: Path) -> None:
    followed = numbers(file)
    assert followed.value == 1
    assert not followed.look()
    file.write_text("22")
    assert followed.look()
    assert followed.value == 22
    assert not followed.look()


def test_one_of_the_same_size_and_age_is_another_file(file: Path) -> None:
    followed = numbers(file)
    other = file.with_name("other")
    other.write_text("2")
    other.rename(file)
    assert followed.look()
    assert followed.value == 2


def test_nonsense_is_said_once_and_looked_at_again(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    followed = numbers(file)
    file.write_text("many")
    assert not followed.look()
    assert not followed.look()
    assert followed.value == 1
    (said,) = caplog.records
    assert said.levelno == logging.WARNING
    assert said.getMessage().startswith("the numbers stay as they were: ")
    file.unlink()
    assert not followed.look()
    file.write_text("3")
    assert followed.look()
    assert followed.value == 3


def test_nonsense_at_the_start(file: Path) -> None:
    file.write_text("many")
    with pytest.raises(ValueError, match="many"):
        numbers(file)
    file.unlink()
    with pytest.raises(OSError, match="No such file"):
        numbers(file)


async def test_who_follows_is_told_of_what_is_new(file: Path) -> None:
    followed, taken = numbers(file), []
    clock = Clock(
        lambda: file.write_text("22"),
        lambda: file.write_text("nonsense"),
        lambda: None,
        lambda: file.write_text("4444"),
    )
    with pytest.raises(asyncio.CancelledError):
        await followed.follow(clock, 1.0, taken.append)  # type: ignore[arg-type]  # sleeps only
    assert taken == [22, 4444]
