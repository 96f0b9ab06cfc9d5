"""Carrying out plans: order, what counts as done, what is told, what stops."""

from __future__ import annotations

import pytest

from controller_manager.executor import CreateRefused, Executor, NamespaceGoes
from controller_manager.plan import Create, Delete, Emit, Patch, Update
from wherry.api import errors
from wherry.api.core_v1 import ConfigMap, Pod

MAP = ConfigMap.from_wire({"metadata": {"name": "m", "namespace": "ns"}})
GONE = errors.not_found("pods", "p")
STALE = errors.conflict("configmaps", "m", errors.OBJECT_MODIFIED)
OTHER_UID = errors.conflict(
    "pods", "p", "Precondition failed: UID in precondition: a, UID in object meta: b"
)
EXISTS = errors.already_exists("configmaps", "m")
QUOTA = errors.forbidden("configmaps", "m", "exceeded quota")
LEAVING = errors.status_error(
    "Forbidden", "being terminated", details={"causes": [{"reason": "NamespaceTerminating"}]}
)


class Fake:
    """A client and a recorder: notes calls, refuses as told."""

    def __init__(self, refusal=None) -> None:
        self.refusal = refusal
        self.calls: list[str] = []

    async def _answer(self, verb):
        self.calls.append(verb)
        if self.refusal is not None:
            raise self.refusal

    async def create(self, obj):
        await self._answer("create")
        return obj

    async def update(self, obj, *, subresource=""):
        await self._answer(f"update {subresource}".strip())
        return obj

    async def patch(self, model, name, namespace, patch, *, type, subresource):
        await self._answer(f"patch {type} {subresource}".strip())

    async def delete(
        self, model, name, namespace, *, uid, grace_period_seconds, propagation_policy,
        resource_version,
    ):  # fmt: skip
        await self._answer(f"delete {uid} {grace_period_seconds}")

    def event(self, about, type_, reason, message):
        self.calls.append(f"event {reason}")


TOLD = Emit(MAP, "Normal", "Done", "done")
DELETE = Delete(Pod, "ns", "p", "u", grace_period_seconds=0)
PATCH = Patch(Pod, "ns", "p", {}, subresource="status")


async def run(fake, *actions):
    await Executor(fake, fake).execute(actions)


async def test_in_order():
    fake = Fake()
    await run(fake, Create(MAP), TOLD, Update(MAP, "status"), PATCH, DELETE)
    assert fake.calls == [
        "create",
        "event Done",
        "update status",
        "patch strategic status",
        "delete u 0",
    ]


async def test_what_was_written_is_told():
    fake, told = Fake(), []
    await Executor(fake, fake).execute((Create(MAP), TOLD, PATCH, Update(MAP), DELETE), told.append)
    assert told == [MAP, MAP]


@pytest.mark.parametrize(
    ("action", "refusal"),
    [
        pytest.param(DELETE, GONE, id="deleting what is gone"),
        pytest.param(DELETE, OTHER_UID, id="deleting what was replaced"),
        pytest.param(PATCH, GONE, id="patching what is gone"),
        pytest.param(Create(MAP, exists_ok=True), EXISTS, id="creating what may exist"),
    ],
)
async def test_as_good_as_done(action, refusal):
    fake = Fake(refusal)
    await run(fake, action, TOLD)
    assert fake.calls[-1] == "event Done"


@pytest.mark.parametrize(
    ("action", "refusal", "expected"),
    [
        pytest.param(Update(MAP), STALE, errors.ApiError, id="a stale update"),
        pytest.param(Create(MAP), EXISTS, errors.ApiError, id="a name that is taken"),
        pytest.param(Create(MAP), QUOTA, CreateRefused, id="a refused creation"),
        pytest.param(Create(MAP), LEAVING, NamespaceGoes, id="a namespace that goes"),
        pytest.param(
            PATCH,
            errors.conflict("pods", "a-uid", errors.OBJECT_MODIFIED),
            errors.ApiError,
            id="a name with uid in it",
        ),
        pytest.param(DELETE, QUOTA, errors.ApiError, id="a refused deletion"),
    ],
)
async def test_what_ends_a_plan(action, refusal, expected):
    fake = Fake(refusal)
    with pytest.raises(expected):
        await run(fake, action, TOLD)
    assert "event Done" not in fake.calls
