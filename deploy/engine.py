"""What `down` asks of a Docker Engine: end containers, load images, forget what is ours.

`python -m deploy.engine SOCKET` ends every container of an engine that is ours alone, so that the
engine itself stops at once instead of waiting for each.
"""

from __future__ import annotations

import sys
from pathlib import Path

import docker
from docker.errors import APIError, DockerException

from deploy.preflight import Problem

TIMEOUT_SECONDS = 60
SANDBOX_IMAGE = "wherry/sandbox"
OLDEST_API, OLDEST_ENGINE = (1, 41), "20.10 (API 1.41)"
OUR_LABEL = "io.kubernetes.pod.uid"  # every container a kubelet of ours makes carries it


def connect(socket: Path) -> docker.DockerClient:
    """A client of the engine behind this socket; Problem when it does not answer."""
    try:
        client = docker.DockerClient(base_url=f"unix://{socket}", timeout=TIMEOUT_SECONDS)
        client.ping()
    except DockerException as error:
        raise Problem(f"no Docker Engine answers at {socket}: {error}", "dockerd &") from error
    return client


def engine_answers(socket: Path) -> bool:
    if not socket.exists():
        return False
    try:
        connect(socket).close()
    except Problem:
        return False
    return True


def need_engine(socket: Path) -> None:
    """Problem when the engine behind this socket is older than what a kubelet speaks to."""
    client = connect(socket)
    try:
        said = client.version()
    finally:
        client.close()
    spoken = said["ApiVersion"]
    if tuple(map(int, spoken.split("."))) < OLDEST_API:
        raise Problem(
            f"the Docker Engine at {socket} is too old: version {said['Version']} (API {spoken}), "
            f"needed is {OLDEST_ENGINE}",
            "apt-get install docker.io",
        )


def kill_containers(client: docker.DockerClient, *, ours_only: bool) -> int:
    """End the running containers; how many there were."""
    chosen = client.containers.list(
        filters={"label": OUR_LABEL} if ours_only else None, ignore_removed=True
    )
    for container in chosen:
        try:
            container.kill()
        except APIError as error:
            if error.status_code not in (404, 409):  # gone, or ended by itself meanwhile
                raise
    return len(chosen)


def remove_ours(client: docker.DockerClient) -> None:
    """Remove the containers that carry our label, and the sandbox image."""
    ours = client.containers.list(all=True, filters={"label": OUR_LABEL}, ignore_removed=True)
    for container in ours:
        try:
            container.remove(force=True, v=True)
        except APIError as error:
            if error.status_code not in (404, 409):  # gone, or going, by itself
                raise
    for image in client.images.list(name=SANDBOX_IMAGE):
        client.images.remove(str(image.id), force=True)


def load_image(client: docker.DockerClient, archive: Path) -> list[str]:
    """Load a `docker save` archive; the names it brought."""
    with archive.open("rb") as stream:
        images = client.images.load(stream)
    return [tag for image in images for tag in image.tags] or [str(image.id) for image in images]


if __name__ == "__main__":
    engine = connect(Path(sys.argv[1]))
    kill_containers(engine, ours_only=False)
    engine.close()
