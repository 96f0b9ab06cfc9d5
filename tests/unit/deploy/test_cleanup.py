from pathlib import Path

from deploy.cleanup import chain_rules, mounts_below, only_ours

MOUNTS = """\
/dev/vda / ext4 rw 0 0
tmpfs /var/lib/x/pods/1/volumes/m tmpfs rw 0 0
overlay /var/lib/x/docker/merged overlay rw 0 0
tmpfs /var/lib/x tmpfs rw 0 0
tmpfs /var/lib/xy tmpfs rw 0 0
tmpfs /var/lib/x/a\\040b tmpfs rw 0 0
"""


def test_mounts_below_are_the_folders_own_and_deepest_first() -> None:
    found = mounts_below(Path("/var/lib/x"), MOUNTS)
    assert set(found) == {
        "/var/lib/x",
        "/var/lib/x/a b",
        "/var/lib/x/docker/merged",
        "/var/lib/x/pods/1/volumes/m",
    }
    assert found[-1] == "/var/lib/x"


def test_docker_rules_take_out_dockers_chains_and_nothing_else() -> None:
    saved = """\
*filter
:FORWARD DROP [0:0]
:DOCKER - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -s 10.0.0.0/8 -j ACCEPT
-A DOCKER-USER -j RETURN
COMMIT
*nat
:DOCKER - [0:0]
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A POSTROUTING -s 192.168.0.0/16 -j MASQUERADE
COMMIT
"""
    assert chain_rules(saved, "DOCKER", "docker0") == [
        "*filter",
        "-D FORWARD -o docker0 -j DOCKER",
        "-D FORWARD -j DOCKER-USER",
        "-F DOCKER",
        "-F DOCKER-USER",
        "-X DOCKER",
        "-X DOCKER-USER",
        "COMMIT",
        "*nat",
        "-D POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE",
        "-F DOCKER",
        "-X DOCKER",
        "COMMIT",
    ]


def test_rules_of_a_machine_without_such_chains_are_none() -> None:
    assert chain_rules("*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n", "DOCKER") == []


def test_host_ports_of_other_networks_are_noticed() -> None:
    rule = (
        '-A CNI-HOSTPORT-DNAT -m comment --comment "dnat name: \\"{}\\" id: \\"1\\"" -j CNI-DN-1\n'
    )
    assert only_ours("")
    assert only_ours(rule.format("wherry"))
    assert not only_ours(rule.format("wherry") + rule.format("podman"))
