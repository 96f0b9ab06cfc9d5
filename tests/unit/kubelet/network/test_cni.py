"""Which commands plug-ins get and with what, by a plug-in that writes down what it is told."""

import asyncio
import json

import pytest

from kubelet import state_files
from kubelet.network.cni import Attachment, Cni, NetworkError
from kubelet.network.keeper import NetworkKeeper
from kubelet.pods.cache import ContainerCache
from kubelet.runtime.labels import Identity
from kubelet.runtime.memory import MemoryRuntime
from wherry.daemon.clock import FakeClock

RECORDER = """#!/usr/bin/env python3
import json, os, pathlib, sys
told = json.load(sys.stdin)
command, here = os.environ["CNI_COMMAND"], pathlib.Path(__file__).parent
if command == "VERSION":
    print(json.dumps({"supportedVersions": ["0.4.0", "1.0.0", "1.1.0"]}))
    sys.exit(0)
with open(here / "told", "a") as log:
    log.write(json.dumps({"command": command, "id": os.environ["CNI_CONTAINERID"],
                          "netns": os.environ["CNI_NETNS"], "told": told}) + "\\n")
if (here / f"fails-{command}").exists():
    print((here / f"fails-{command}").read_text())
    sys.exit(1)
if command == "ADD":
    print(json.dumps({"cniVersion": told["cniVersion"], "ips": [{"address": "10.9.0.2/24"}]}))
"""
NET = {
    "name": "corp",
    "cniVersion": "0.4.0",
    "plugins": [{"type": "recorder", "capabilities": {"portMappings": True, "ipRanges": True}}],
}
PORTS = ({"hostPort": 80, "containerPort": 8080, "protocol": "tcp", "hostIP": ""},)
BOX = Attachment("a" * 64, 77, "shop", "web", "u1", PORTS)


@pytest.fixture
def place(tmp_path):
    for name in ("bin", "net.d"):
        (tmp_path / name).mkdir()
    program = tmp_path / "bin" / "recorder"
    program.write_text(RECORDER)
    program.chmod(0o755)
    (tmp_path / "net.d" / "10-corp.conflist").write_text(json.dumps(NET))
    return tmp_path


@pytest.fixture
def said():
    return []


@pytest.fixture
def make(place, said):
    def cni(seen=()):
        made = Cni(
            conf_dir=place / "net.d", bin_dirs=[place / "bin"], state_dir=place / "state",
            say=lambda *words: said.append(words), addresses_of=lambda pid, interface: list(seen),
        )  # fmt: skip
        made.set_pod_cidr("10.9.0.0/24")
        return made

    return cni


def told(place):
    path = place / "bin" / "told"
    lines = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return [json.loads(line) for line in lines]


def configure(place, **more):
    (place / "net.d" / "10-corp.conflist").write_text(json.dumps(NET | more))


def fail(place, command, code=7):
    (place / "bin" / f"fails-{command}").write_text(json.dumps({"code": code, "msg": "no luck"}))


async def test_delete_and_check_get_what_add_was_given_whatever_the_files_say_now(make, place):
    await make().add(BOX)
    [added] = told(place)
    assert added["told"]["runtimeConfig"] == {
        "portMappings": list(PORTS),
        "ipRanges": [[{"subnet": "10.9.0.0/24"}]],
    }
    (place / "net.d" / "10-corp.conflist").write_text('{"name": "other", "type": "absent"}')
    again = make()
    assert await again.check(BOX) == ""
    await again.delete(Attachment(BOX.sandbox_id, 0, "", "", ""))
    checked, deleted = told(place)
    for one in (checked, deleted):
        assert one["told"]["runtimeConfig"] == added["told"]["runtimeConfig"]
        assert one["told"]["prevResult"]["ips"] == [{"address": "10.9.0.2/24"}]
        assert (one["told"]["name"], one["id"]) == ("corp", BOX.sandbox_id)
    assert (checked["command"], checked["netns"]) == ("CHECK", "/proc/77/ns/net")
    assert (deleted["command"], deleted["netns"]) == ("DEL", "")


async def test_a_failed_add_is_undone_and_told_with_code(make, place):
    fail(place, "ADD", 11)
    fail(place, "DEL")
    cni = make()
    words = r'plugin type="recorder" name="corp" failed \(add\): no luck \(code 11\)'
    with pytest.raises(NetworkError, match=words):
        await cni.add(BOX)
    assert [one["command"] for one in told(place)] == ["ADD", "DEL"]
    # DEL failed too: it stays known, and will be tried again.
    assert cni.lost_sandboxes(set()) == {BOX.sandbox_id}


@pytest.mark.parametrize(
    ("more", "code", "trouble"),
    [({}, 7, "no luck"), ({}, 1, ""), ({"disableCheck": True}, 7, ""), ({"cniVersion": "0.3.1"}, 7, "")],
    ids=["fails", "plug-in-can't", "switched-off", "too-old"],
)  # fmt: skip
async def test_check(make, place, more, code, trouble):
    configure(place, **more)
    cni = make()
    await cni.add(BOX)
    assert await cni.check(BOX) == ""
    fail(place, "CHECK", code)
    found = await make().check(BOX)
    assert trouble in found
    assert bool(found) == bool(trouble)


async def test_a_plugin_that_never_found_it_well_is_not_believed(make, place):
    cni = make()
    await cni.add(BOX)
    fail(place, "CHECK")
    assert await cni.check(BOX) == ""
    (place / "bin" / "fails-CHECK").unlink()
    assert await cni.check(BOX) == ""
    fail(place, "CHECK")
    assert "no luck" in await cni.check(BOX)


async def test_versions_are_agreed_upon(make, place):
    configure(place, cniVersions=["0.4.0", "1.0.0", "1.1.0", "2.0.0"])
    await make().add(BOX)
    assert told(place)[0]["told"]["cniVersion"] == "1.1.0"


async def test_plugins_of_1_1_are_asked_how_they_are_and_told_what_there_is(make, place):
    configure(place, cniVersion="1.1.0")
    cni = make()
    assert await cni.trouble() == ""
    fail(place, "STATUS", 50)
    assert "failed (status): no luck (code 50)" in await cni.trouble()
    await cni.add(BOX)
    await cni.collect()
    collected = [one for one in told(place) if one["command"] == "GC"]
    valid = [{"containerID": BOX.sandbox_id, "ifname": "eth0"}]
    assert [one["told"]["cni.dev/valid-attachments"] for one in collected] == [valid]
    configure(place, cniVersion="1.1.0", disableGC=True)
    await cni.delete(BOX)
    await cni.add(BOX)
    told(place)
    await cni.collect()
    assert told(place) == []


async def test_a_configuration_that_comes_later_is_taken_up(make, place):
    (place / "net.d" / "10-corp.conflist").unlink()
    (place / "net.d" / "20-half.conflist").write_text('{"name": "x", "plu')
    cni = make()
    assert "cni plugin not initialized" in await cni.trouble()
    configure(place)
    assert await cni.trouble() == ""


@pytest.mark.parametrize("text", ["", '{"name": "corp", "plug', "[]"])
async def test_a_corrupt_file_is_made_anew_from_the_sandbox(make, place, said, text):
    await make().add(BOX)
    path = place / "state" / "results" / f"{BOX.sandbox_id}.json"
    path.write_text(text)
    cni = make(seen=["10.9.0.2"])
    assert cni.addresses(BOX.sandbox_id, 77) == ["10.9.0.2"]
    assert [reason for reason, _ in said] == [state_files.CORRUPT]
    assert len(list(path.parent.glob("*.corrupt-*"))) == 1
    assert make().addresses(BOX.sandbox_id) == ["10.9.0.2"]
    told(place)
    assert await cni.check(BOX) == ""  # nobody knows what ADD had answered
    await cni.delete(BOX)
    assert [one["command"] for one in told(place)] == ["DEL"]
    assert cni.addresses(BOX.sandbox_id, 77) == []  # not taken up again after its end


async def test_a_corrupt_file_does_not_keep_del_from_being_called(make, place):
    cni = make()
    await cni.add(BOX)
    (place / "state" / "results" / f"{BOX.sandbox_id}.json").write_text("{")
    told(place)
    await cni.delete(BOX)
    assert [one["command"] for one in told(place)] == ["DEL"]


# -- the keeper


class World:
    """A runtime with one sandbox that is wired."""

    def __init__(self, cni):
        self.clock = FakeClock()
        self.runtime = MemoryRuntime(self.clock)
        self.cache = ContainerCache(self.runtime, self.clock, lambda uid: None)
        self.cni = cni
        self.said = []
        self.keeper = NetworkKeeper(
            cni, self.cache, self.runtime, self.clock, lambda *words: self.said.append(words)
        )

    async def start(self):
        await self.runtime.import_image(b"", "pause", ())
        who = Identity("u1", "web", "shop", "POD", 0)
        config = {
            "Image": "pause", "Labels": who.labels("n1"), "Cmd": ["sleep"], "HostConfig": {},
        }  # fmt: skip
        self.id = await self.runtime.create(who.docker_name, config)
        await self.runtime.start(self.id)
        await self.cache.relist()
        await self.cni.add(Attachment(self.id, 1, "shop", "web", "u1"))


@pytest.fixture
async def world(make):
    made = World(make())
    await made.start()
    return made


async def test_what_a_vanished_sandbox_had_is_given_back(world, place):
    await world.keeper.free()
    assert world.cni.known_sandboxes() == {world.id}
    await world.runtime.remove(world.id)
    world.cache.failure = "away"  # then nobody knows what there is
    await world.keeper.free()
    assert world.cni.known_sandboxes() == {world.id}
    await world.cache.relist()
    await world.keeper.free()
    assert world.cni.known_sandboxes() == set()
    assert [one["command"] for one in told(place)] == ["ADD", "DEL"]


async def test_a_broken_network_ends_its_sandbox(world, place):
    await world.keeper.check_some()
    fail(place, "CHECK")

    async def rush():
        while True:
            await world.clock.sleep(0)
            if world.clock.sleepers:
                world.clock.advance(10)

    rushing = asyncio.create_task(rush())
    await world.keeper.check_some()
    rushing.cancel()
    assert (await world.runtime.inspect(world.id)).exit_code == 137
    [(uid, reason, message)] = world.said
    assert (uid, reason) == ("u1", "NetworkCheckFailed")
    assert "no luck" in message


async def test_a_sound_network_is_left_alone(world):
    for _ in range(3):
        await world.keeper.check_some()
    assert world.said == []
    assert (await world.runtime.inspect(world.id)).pid
