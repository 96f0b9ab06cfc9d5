from __future__ import annotations

import asyncio

from apiserver.registry.turns import Turns


async def test_those_who_want_the_same_key_take_turns_in_order() -> None:
    turns, order, inside = Turns(), [], 0

    async def one(number: int) -> None:
        nonlocal inside
        async with turns.take(b"k"):
            inside += 1
            assert inside == 1
            await asyncio.sleep(0)
            order.append(number)
            inside -= 1

    await asyncio.gather(*(one(number) for number in range(20)))
    assert order == list(range(20))
    assert turns._waiting == {}


async def test_other_keys_do_not_wait() -> None:
    turns = Turns()
    async with turns.take(b"a"), turns.take(b"b"):
        assert not turns.wanted(b"a")


async def test_one_who_leaves_the_line_loses_nobody_elses_turn() -> None:
    turns, done = Turns(), []

    async def one(name: str) -> None:
        async with turns.take(b"k"):
            done.append(name)

    async with turns.take(b"k"):
        leaver, stayer = asyncio.create_task(one("leaver")), asyncio.create_task(one("stayer"))
        await asyncio.sleep(0)
        assert turns.wanted(b"k")
        leaver.cancel()
    await stayer
    assert done == ["stayer"]
    assert turns._waiting == {}


async def test_one_who_leaves_as_the_turn_comes_passes_it_on() -> None:
    turns, done = Turns(), []

    async def one(name: str) -> None:
        async with turns.take(b"k"):
            done.append(name)

    async with turns.take(b"k"):
        leaver, stayer = asyncio.create_task(one("leaver")), asyncio.create_task(one("stayer"))
        await asyncio.sleep(0)
    leaver.cancel()  # its turn is set, but it has not run yet
    await stayer
    assert done == ["stayer"]
    assert turns._waiting == {}


async def test_an_error_inside_passes_the_turn_on() -> None:
    turns = Turns()
    try:
        async with turns.take(b"k"):
            raise ValueError
    except ValueError:
        pass
    async with turns.take(b"k"):
        assert not turns.wanted(b"k")
