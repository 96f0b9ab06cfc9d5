"""Makes sure that a container's image is here, by its pull policy.

Pulls of one image are shared; few run at once. The words of events and errors are upstream's
(pkg/kubelet/images/image_manager.go).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from kubelet.runtime.protocol import ImageRecord, Runtime, RuntimeFailure
from wherry.daemon.clock import Clock

PULLS_MAX = 2
PULL_BACKOFF_SECONDS_FIRST, PULL_BACKOFF_SECONDS_MAX = 10.0, 300.0
IMAGES_REMEMBERED_MAX = 1000
# Pods that start together ask for the same image: the engine is asked once.
PRESENT_SECONDS = 2.0
# name[:port]/path[:tag][@digest], as Docker's reference grammar has it (lower-case path).
_REFERENCE = re.compile(
    r"(?:[A-Za-z0-9.-]+(?::\d+)?/)?[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
    r"(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*"
    r"(?::[\w][\w.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)

Say = Callable[[str, str, str], None]  # (event type, reason, message)


class ImageError(Exception):
    """The image can't be had now. `reason` is the container's waiting reason."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


@dataclass(frozen=True, slots=True)
class Wish:
    """One container's image."""

    reference: str
    policy: str
    auths: tuple[Mapping[str, str], ...] = ()


def pull_policy(image: str, policy: str) -> str:
    """The API server sets it; this is its rule for those who don't."""
    if policy:
        return policy
    tag = image.rpartition("/")[2].partition(":")[2]
    return "Always" if "@" not in image and tag in ("", "latest") else "IfNotPresent"


def is_reference(text: str) -> bool:
    return _REFERENCE.fullmatch(text) is not None


def pullable(image: ImageRecord) -> str:
    """A status's `imageID`."""
    if image.digests:
        return f"docker-pullable://{image.digests[0]}"
    return f"docker://{image.id}"


class Images:
    """The node's images, as containers need them."""

    def __init__(self, runtime: Runtime, clock: Clock) -> None:
        self._runtime = runtime
        self._clock = clock
        self._slots = asyncio.Semaphore(PULLS_MAX)
        self._pulling: dict[str, asyncio.Lock] = {}
        self._ids: dict[str, str] = {}
        self._present: dict[str, tuple[ImageRecord, float]] = {}

    async def shown_id(self, image_id: str) -> str:
        """`imageID` of a running container's image."""
        if image_id not in self._ids:
            if len(self._ids) >= IMAGES_REMEMBERED_MAX:
                self._ids.clear()
            image = await self._runtime.image(image_id)
            self._ids[image_id] = pullable(image) if image else f"docker://{image_id}"
        return self._ids[image_id]

    async def ensure(self, wish: Wish, say: Say) -> ImageRecord:
        """The image, pulled if need be; ImageError when it can't be had."""
        if not is_reference(wish.reference):
            message = (
                f'Failed to apply default image tag "{wish.reference}": couldn\'t parse image name'
                f' "{wish.reference}": invalid reference format'
            )
            say("Warning", "InspectFailed", message)
            raise ImageError("InvalidImageName", message)
        policy = pull_policy(wish.reference, wish.policy)
        present = None if policy == "Always" else await self._find(wish.reference)
        if present is not None:
            say(
                "Normal",
                "Pulled",
                f'Container image "{wish.reference}" already present on machine and can be accessed by the pod',
            )
            return present
        if policy == "Never":
            message = f'Container image "{wish.reference}" is not present with pull policy of Never'
            say("Warning", "ErrImageNeverPull", message)
            raise ImageError("ErrImageNeverPull", message)
        return await self._pull(wish, policy, say)

    async def _find(self, reference: str) -> ImageRecord | None:
        """The image, if it is here or was a moment ago."""
        now = self._clock.monotonic()
        known = self._present.get(reference)
        if known is not None and now - known[1] < PRESENT_SECONDS:
            return known[0]
        found = await self._runtime.image(reference)
        if found is not None:
            if len(self._present) >= IMAGES_REMEMBERED_MAX:
                self._present.clear()
            self._present[reference] = (found, now)
        return found

    async def _pull(self, wish: Wish, policy: str, say: Say) -> ImageRecord:
        begun = self._clock.monotonic()
        say("Normal", "Pulling", f'Pulling image "{wish.reference}"')
        lock = self._pulling.setdefault(wish.reference, asyncio.Lock())
        try:
            async with lock, self._slots:
                pulling = self._clock.monotonic()
                image = None
                if policy != "Always":
                    # Somebody else may have pulled it while we waited.
                    image = await self._runtime.image(wish.reference)
                if image is None:
                    image = await self._try(wish)
        except RuntimeFailure as error:
            message = f'Failed to pull image "{wish.reference}": {error}'
            say("Warning", "Failed", message)
            raise ImageError("ErrImagePull", str(error)) from error
        finally:
            if not lock.locked():
                self._pulling.pop(wish.reference, None)
        end = self._clock.monotonic()
        say(
            "Normal", "Pulled",
            f'Successfully pulled image "{wish.reference}" in {_seconds(end - pulling)} '
            f"({_seconds(end - begun)} including waiting). Image size: {image.size} bytes.",
        )  # fmt: skip
        return image

    async def _try(self, wish: Wish) -> ImageRecord:
        """With each credential that fits, then without."""
        failure: RuntimeFailure | None = None
        for auth in wish.auths or ({},):
            try:
                return await self._runtime.pull(wish.reference, auth)
            except RuntimeFailure as error:
                failure = error
        assert failure is not None
        raise failure


def _seconds(value: float) -> str:
    return f"{value * 1000:.0f}ms" if value < 1 else f"{value:.3f}s"
