import os
import pwd
from pathlib import Path

import pytest

from deploy import users
from deploy.preflight import Problem
from deploy.users import ensure_users, own_tree, user_of


def test_every_daemon_has_a_user_of_its_own() -> None:
    names = [user_of(one) for one in users.UNPRIVILEGED]
    assert len(set(names)) == len(names)
    assert all(len(name) <= 32 for name in names)  # what useradd takes


def test_a_machine_that_takes_no_users_is_a_problem_with_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(users, "USERADD", "/nowhere/useradd")
    with pytest.raises(Problem, match="No such file"):
        ensure_users(("something-that-is-not-there",))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_folder_is_given_away_whole_but_no_link_is_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("x")
    folder = tmp_path / "data"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep/file").write_text("x")
    (folder / "link").symlink_to(outside)
    own_tree(folder, "daemon")
    uid = pwd.getpwnam("daemon").pw_uid
    for path in (folder, folder / "deep", folder / "deep/file", folder / "link"):
        assert path.lstat().st_uid == uid, path
    assert outside.stat().st_uid == 0
    assert folder.stat().st_mode & 0o777 == 0o700
