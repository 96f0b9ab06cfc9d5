"""How long kubelets may keep what they read, by the number of nodes."""

from controller_manager.nodettl.controller import SECONDS, step_of


def test_bounds_overlap_so_that_it_does_not_flap():
    seen, step = [], 0
    for nodes in (1, 100, 101, 95, 90, 89, 101, 500, 501, 449, 3000, 1800, 1799, 0):
        step = step_of(nodes, step)
        seen.append(SECONDS[step])
    assert seen == [0, 0, 15, 15, 15, 0, 15, 15, 30, 15, 300, 300, 60, 0]
