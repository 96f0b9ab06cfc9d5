"""Health endpoints: texts, codes, exclusion."""

from __future__ import annotations

from apiserver.http.health import report, report_one, well


async def sick() -> str | None:
    return "it hurts"


async def test_well_is_ok() -> None:
    answer = await report("livez", {"ping": well}, verbose=False, exclude=())
    assert (answer.status, answer.body) == (200, b"ok")


async def test_verbose_names_every_check() -> None:
    answer = await report("readyz", {"ping": well, "log": well}, verbose=True, exclude=())
    assert answer.body == b"[+]ping ok\n[+]log ok\nreadyz check passed\n"


async def test_sick_says_which_but_not_why() -> None:
    answer = await report("readyz", {"ping": well, "etcd": sick}, verbose=False, exclude=())
    assert answer.status == 500
    assert answer.body == b"[+]ping ok\n[-]etcd failed: reason withheld\nreadyz check failed\n"


async def test_excluded_checks_do_not_count() -> None:
    answer = await report("readyz", {"etcd": sick}, verbose=True, exclude=("etcd", "nope"))
    assert answer.status == 200
    assert answer.body == (
        b"[+]etcd excluded: ok\n"
        b'warn: some health checks cannot be excluded: no matches for "nope"\n'
        b"readyz check passed\n"
    )


async def test_one_check() -> None:
    assert (await report_one(well)).body == b"ok"
    answer = await report_one(sick)
    assert (answer.status, answer.body) == (500, b"internal server error: it hurts\n")
    assert (await report_one(None)).status == 404
