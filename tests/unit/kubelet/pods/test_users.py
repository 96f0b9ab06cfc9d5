"""Who a process runs as, from the kernel's text."""

import os

from kubelet.pods import users
from wherry.api.core_v1 import LinuxContainerUser

STATUS = (
    "Name:\tsh\nUid:\t1000\t1001\t1000\t1000\nGid:\t3000\t3001\t3000\t3000\nGroups:\t10 4000 \n"
)


def test_the_effective_ids_and_all_groups():
    found = users.parse(STATUS)
    assert found.linux == LinuxContainerUser(uid=1001, gid=3001, supplemental_groups=[10, 4000])


def test_no_groups_are_the_one():
    found = users.parse(STATUS.replace("10 4000 ", ""))
    assert found.linux.supplemental_groups == [3001]


def test_a_process_that_is_gone():
    assert users.parse("") is None
    assert users.of_process(os.getpid()).linux.uid == os.geteuid()
