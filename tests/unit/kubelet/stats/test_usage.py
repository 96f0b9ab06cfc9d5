"""Control groups' files as figures, in both versions."""

from kubelet.stats.detail import Detail, Io
from kubelet.stats.reader import CgroupReader
from kubelet.stats.usage import Usage, of_node


def write(folder, files):
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(text)


def test_version_1(tmp_path):
    write(tmp_path / "cpuacct/kubepods/podX/c1", {"cpuacct.usage": "1500000000\n"})
    memory = {
        "memory.usage_in_bytes": "3000\n",
        "memory.limit_in_bytes": "9223372036854771712\n",
        "memory.stat": "cache 7\ntotal_inactive_file 1000\ntotal_rss 900\ntotal_pgfault 5\n",
    }
    write(tmp_path / "memory/kubepods/podX/c1", memory)
    write(tmp_path / "pids/kubepods/podX/c1", {"pids.current": "4\n"})
    found = CgroupReader(tmp_path).read("/kubepods/podX/c1")
    assert found == Usage(
        cpu_nanoseconds=1_500_000_000, memory_bytes=3000, working_set_bytes=2000, rss_bytes=900,
        page_faults=5, processes=4,
    )  # fmt: skip


def test_version_2_and_slices(tmp_path):
    (tmp_path / "cgroup.controllers").write_text("cpu memory pids")
    files = {
        "cpu.stat": "usage_usec 250\nuser_usec 1\n",
        "memory.current": "100\n",
        "memory.stat": "anon 60\ninactive_file 150\n",
        "memory.max": "max\n",
        "memory.swap.current": "8\n",
        "pids.current": "2\n",
    }
    write(tmp_path / "kubepods.slice/kubepods-podX.slice/docker-c1.scope", files)
    found = CgroupReader(tmp_path).read("kubepods-podX.slice/docker-c1.scope")
    assert found == Usage(
        cpu_nanoseconds=250_000, memory_bytes=100, working_set_bytes=0, rss_bytes=60,
        swap_bytes=8, processes=2,
    )  # fmt: skip


def test_a_group_that_is_gone(tmp_path):
    assert CgroupReader(tmp_path).read("/kubepods/podX") is None


def test_the_node():
    stat = "cpu 100 10 50 9999 888 5 5 0 0 0\ncpu0 1 1 1 1\n"
    memory = {"MemTotal": 1000, "MemFree": 300, "Inactive(file)": 200, "AnonPages": 50}
    found = of_node(stat, memory, 100)
    assert found.cpu_nanoseconds == 170 * 10_000_000
    assert (found.memory_bytes, found.working_set_bytes) == (700, 500)


def test_details_of_version_1(tmp_path):
    for controller, files in {
        "cpuacct": {"cpuacct.stat": "user 150\nsystem 50\n"},
        "cpu": {
            "cpu.stat": "nr_periods 10\nnr_throttled 4\nthrottled_time 2500000000\n",
            "cpu.shares": "512\n", "cpu.cfs_quota_us": "-1\n", "cpu.cfs_period_us": "100000\n",
        },
        "memory": {
            "memory.stat": "total_cache 7\ntotal_mapped_file 3\n", "memory.failcnt": "2\n",
            "memory.max_usage_in_bytes": "99\n", "cgroup.procs": "1\n2\n",
            "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
        },
        "blkio": {
            "blkio.throttle.io_service_bytes_recursive": "8:0 Read 10\n8:0 Write 20\nTotal 30\n",
            "blkio.throttle.io_serviced_recursive": "8:0 Read 1\n8:0 Write 2\n",
        },
    }.items():  # fmt: skip
        write(tmp_path / controller / "kubepods/podX/c1", files)
    found = CgroupReader(tmp_path).detail("/kubepods/podX/c1")
    assert found == Detail(
        user_seconds=1.5, system_seconds=0.5, periods=10, throttled_periods=4,
        throttled_seconds=2.5, shares=512, period=100_000, cache_bytes=7, mapped_bytes=3,
        memory_bytes_max=99, limit_hits=2, oom_kills=1, processes=2, io={"8:0": Io(10, 20, 1, 2)},
    )  # fmt: skip


def test_details_of_version_2(tmp_path):
    (tmp_path / "cgroup.controllers").write_text("cpu memory io")
    files = {
        "cpu.stat": "usage_usec 9\nuser_usec 1500000\nsystem_usec 500000\nnr_periods 10\n"
        "nr_throttled 4\nthrottled_usec 2500000\n",
        "cpu.weight": "20\n", "cpu.max": "50000 100000\n", "memory.stat": "file 7\nfile_mapped 3\n",
        "memory.peak": "99\n", "memory.events": "max 2\noom 1\noom_kill 1\n", "cgroup.procs": "1\n",
        "io.stat": "8:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n",
    }  # fmt: skip
    write(tmp_path / "kubepods/podX/c1", files)
    found = CgroupReader(tmp_path).detail("/kubepods/podX/c1")
    assert found == Detail(
        user_seconds=1.5, system_seconds=0.5, periods=10, throttled_periods=4,
        throttled_seconds=2.5, shares=500, quota=50_000, period=100_000, cache_bytes=7,
        mapped_bytes=3, memory_bytes_max=99, limit_hits=2, oom_kills=1, processes=1,
        io={"8:0": Io(10, 20, 1, 2)},
    )  # fmt: skip
