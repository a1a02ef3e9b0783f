"""What the start of a container waits for, for people who wait for it."""

from controller.api.v1 import container_pb2
from controller.errors import (
    Conflict,
    Damaged,
    Exhausted,
    Invalid,
    NotFound,
    Refused,
    Unavailable,
    Unsupported,
)
from controller.model.changes import Snapshot
from controller.model.container import Container
from controller.model.ids import Key
from controller.model.image import Image
from controller.model.resource import find_condition, is_ready
from controller.plan.conditions import Reason
from controller.plan.image_pull import find_pull_failure

_WAITS = (
    Reason.WAITING_FOR_IMAGE,
    Reason.WAITING_FOR_NETWORKS,
    Reason.WAITING_FOR_VOLUMES,
    Reason.WAITING_FOR_DEPENDENCIES,
    Reason.WAITING_FOR_CONTAINERS,
    Reason.BACK_OFF,
)
_SETBACKS = frozenset(
    kind.__name__
    for kind in (Conflict, Damaged, Exhausted, Invalid, NotFound, Refused, Unavailable, Unsupported)
)
"""Reasons that steps fail for which are tried again (`plan.conditions.list_setback`)."""


_HOPELESS = frozenset({*_SETBACKS, Reason.WAITING_FOR_NETWORKS, Reason.WAITING_FOR_VOLUMES})
"""Reasons that pass within moments, or not by themselves: somebody has to do something about them."""


def is_hopeless(waiting: container_pb2.Waiting) -> bool:
    """Tell whether nothing comes of waiting any longer, once that has lasted."""
    return waiting.reason in _HOPELESS


def lacks_unobtainable(container: Container, snapshot: Snapshot) -> bool:
    """Tell whether an image that it needs, which is not there, could not be pulled."""
    images = (snapshot.get(Key("Image", name)) for name in container.spec.list_images())
    missing = (image for image in images if isinstance(image, Image) and not is_ready(image.status))
    return any(find_pull_failure(image) for image in missing)


def find_wait(container: Container) -> container_pb2.Waiting | None:
    """Return what the container's present status waits for, or fails at and is tried again.

    None when it waits for nothing, or is of an earlier spec.
    """
    status = container.status
    ready = find_condition(status, "Ready")
    is_current = status.observed_generation >= container.metadata.generation
    if ready is None or not is_current or ready.reason not in {*_WAITS, *_SETBACKS}:
        return None
    return container_pb2.Waiting(reason=ready.reason, message=ready.message)
