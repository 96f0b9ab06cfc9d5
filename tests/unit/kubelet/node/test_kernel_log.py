"""What the kernel's log says of processes that were killed for want of memory."""

import pytest

from kubelet.node.kernel_log import OomKill, oom_kill, watch

ID = "0123456789abcdef" * 4
HEAD = "6,70,36353549541,-;oom-kill:constraint="


def line(constraint, group):
    return (
        f"{HEAD}{constraint},nodemask=(null),cpuset={ID},mems_allowed=0,"
        f"oom_memcg=/kubepods/podx,task_memcg={group},task=my, task,pid=77,uid=0\n"
    )


@pytest.mark.parametrize(
    ("record", "found"),
    [
        (line("CONSTRAINT_MEMCG", f"/n1/kubepods/podx/{ID}"), OomKill(ID, "my, task", 77, False)),
        (
            line("CONSTRAINT_MEMCG", f"/kubepods.slice/kubepods-podx.slice/docker-{ID}.scope"),
            OomKill(ID, "my, task", 77, False),
        ),
        (
            line("CONSTRAINT_MEMCG", f"/kubepods/podx/{ID}/below"),
            OomKill(ID, "my, task", 77, False),
        ),
        (line("CONSTRAINT_NONE", "/user.slice"), OomKill("", "my, task", 77, True)),
        ("6,70,1,-;wherry0: port 4(veth) entered disabled state\n", None),
    ],
    ids=["v1", "v2", "a group below", "the machine itself", "something else"],
)
def test_a_record(record, found):
    assert oom_kill(record) == found


async def test_a_log_that_can_not_be_read_is_done_without(tmp_path):
    await watch(lambda one: None, str(tmp_path / "none"))
