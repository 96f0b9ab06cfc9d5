"""What a pod asks for, as upstream counts it."""

import pytest

from scheduler.objects import PodSpec
from scheduler.resources import NONZERO_MEMORY, NONZERO_MILLI_CPU, Amount, amounts, requests_of

Mi = 2**20


def c(restart=None, **requests):
    return {"resources": {"requests": requests}, **({"restartPolicy": restart} if restart else {})}


def spec(*containers, init=(), **more):
    return PodSpec.from_wire({"containers": list(containers), "initContainers": list(init), **more})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (spec(c()), Amount()),
        (spec(c(cpu="100m", memory="1Mi"), c(cpu="1")), Amount(1100, Mi)),
        (spec(c(cpu="1", memory="1Mi"), init=[c(cpu="2"), c(memory="3Mi")]), Amount(2000, 3 * Mi)),
        (spec(c(cpu="1"), init=[c("Always", cpu="500m")]), Amount(1500)),
        (spec(c(cpu="1"), init=[c("Always", cpu="500m"), c(cpu="2")]), Amount(2500)),
        (spec(c(cpu="1"), init=[c(cpu="2"), c("Always", cpu="500m")]), Amount(2000)),
        (spec(c(cpu="1"), overhead={"cpu": "250m", "memory": "1Mi"}), Amount(1250, Mi)),
        (spec(c(cpu="1"), resources={"requests": {"cpu": "3"}}), Amount(3000)),
        (spec(c(**{"ephemeral-storage": "1Mi", "x.com/gpu": "2"})), Amount(0, 0, Mi, {"x.com/gpu": 2})),
        (spec(c(cpu="0.1m")), Amount(1)),
    ],
    ids=["nothing", "sum", "init-max", "sidecar", "sidecar-before-init", "sidecar-after-init",
         "overhead", "pod-level", "others", "rounded-up"],
)  # fmt: skip
def test_requests(given, expected):
    assert requests_of(given).amount == expected


def test_what_asks_for_nothing_still_counts_in_scores():
    found = requests_of(spec(c(), c(cpu="1")))
    assert found.scored_milli_cpu == NONZERO_MILLI_CPU + 1000
    assert found.scored_memory == 2 * NONZERO_MEMORY


def test_amounts():
    assert amounts({"cpu": "1500m", "memory": "1Ki", "pods": "110"}) == {
        "cpu": 1500, "memory": 1024, "pods": 110,
    }  # fmt: skip
