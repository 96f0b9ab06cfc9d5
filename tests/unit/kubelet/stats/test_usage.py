"""Control groups' files as figures, in both versions."""

from kubelet.stats.usage import CgroupReader, Usage, of_node


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
