"""However late the sets' controller acts and reports, never more pods live than maxSurge allows."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from controller_manager.deployment import sizing
from tests.unit.controller_manager.deployment.test_plan import World, deployment
from wherry.api.apps_v1 import ReplicaSetStatus

IMAGES = 3
SEEDS, STEPS = 40, 120
MOSTLY = ("step", "step", "act", "act", "report", "report", "act on older")
STRATEGIES = ((1, 0), (0, 1), (1, 1), (2, 2))


class Slow(World):
    """The sets' controller acts on what it has seen, now or later, and reports later still."""

    def __init__(self, surge: int, unavailable: int) -> None:
        super().__init__(deployment("app:1", replicas=4, surge=surge, unavailable=unavailable))
        self.alive: Counter[str] = Counter()
        self.acted: Counter[str] = Counter()  # the generation acted on
        self.reported: Counter[str] = Counter()  # pods before that
        self.told: dict[str, dict[int, int]] = {}  # set → generation → size

    def step(self) -> float | None:
        wait = super().step()
        for name, rs in self.sets.items():
            self.told.setdefault(name, {})[rs.metadata.generation] = sizing.size(rs)
        return wait

    def act(self, name: str, generation: int) -> None:
        if generation < self.acted[name]:
            return
        self.acted[name] = generation
        self.reported[name] = self.alive[name]
        self.alive[name] = self.told[name][generation]

    def report(self, name: str) -> None:
        """Only who acted on the newest state may write: older ones end in a conflict."""
        rs = self.sets[name]
        if self.acted[name] != rs.metadata.generation:
            return
        up = min(self.reported[name], self.alive[name])
        made = ReplicaSetStatus(
            replicas=self.reported[name], ready_replicas=up, available_replicas=up,
            observed_generation=rs.metadata.generation,
        )  # fmt: skip
        self.sets[name] = rs.with_(status=made)
        self.reported[name] = self.alive[name]

    def one_thing(self, dice: random.Random) -> None:
        what = dice.choice(MOSTLY) if dice.random() < 0.95 else "image"
        if what == "image":
            self.new_image(f"app:{dice.randint(1, IMAGES)}")
        elif what == "step" or not self.sets:
            self.step()
        else:
            name = dice.choice(list(self.sets))
            newest = self.sets[name].metadata.generation
            if what == "report":
                self.report(name)
            elif what == "act":
                self.act(name, newest)
            elif newest - 1 in self.told[name]:
                self.act(name, newest - 1)


@pytest.mark.parametrize(("surge", "unavailable"), STRATEGIES)
def test_never_more_than_the_surge_and_it_settles(surge: int, unavailable: int) -> None:
    for seed in range(SEEDS):
        dice, world = random.Random(seed), Slow(surge, unavailable)
        for step in range(STEPS):
            world.one_thing(dice)
            alive = sum(world.alive.values())
            assert alive <= sizing.ceiling(world.deployment), f"seed {seed}, step {step}"
        world.settle()
        image = world.deployment.spec.template.spec.containers[0].image
        assert {k: v for k, v in world.sizes().items() if v} == {image: 4}, f"seed {seed}"
