"""Finding containers by what people call them, and waiting for what becomes of them."""

import re
from collections.abc import AsyncIterator, Callable

from controller.errors import Conflict, NotFound
from controller.model.changes import ChangeType, Snapshot
from controller.model.container import Container, Phase
from controller.model.ids import Key, Uid
from controller.plan.admission.findings import suggest
from controller.ports import StateStore

_UID_PREFIX = re.compile(r"^[0-9a-f]{4,32}$")
ENDED = (Phase.EXITED, Phase.FAILED)
_ALIVE = (Phase.RUNNING, Phase.PAUSED, Phase.STOPPING)


def find_container(snapshot: Snapshot, name: str) -> Container:
    """Return the container of that name or, where there is none, the only one whose uid begins with it."""
    found = snapshot.get(Key("Container", name))
    if isinstance(found, Container):
        return found
    matches = []
    if _UID_PREFIX.match(name):
        matches = [
            each
            for each in snapshot.values()
            if isinstance(each, Container) and uid_of(each).startswith(name)
        ]
    if len(matches) > 1:
        raise Conflict(f"{name} is the beginning of the ids of {len(matches)} containers: give more of it")
    if not matches:
        near = suggest(name, (key.name for key in snapshot if key.kind == "Container"))
        raise NotFound(f"container {name} does not exist{near}")
    return matches[0]


def uid_of(container: Container) -> Uid:
    """Return the uid that every stored object has."""
    return Uid(container.metadata.uid or "")


def is_running(container: Container) -> bool:
    """Tell whether the container's process is there, be it on its way out."""
    return container.status.phase in _ALIVE and container.status.pid != 0


def check_awake(container: Container) -> None:
    """Raise Conflict where no process of the container can be talked to: none is there, or it is frozen."""
    name = container.metadata.name
    if not is_running(container):
        raise Conflict(f"container {name} does not run: start it first")
    if container.status.phase is Phase.PAUSED:
        raise Conflict(f"container {name} is paused: `hold unpause {name}` lets it go on")


async def follow(store: StateStore, container: Container) -> AsyncIterator[tuple[Container, bool]]:
    """Yield the present state of the container and each later one; True with the last, when it is gone."""
    after = store.revision()
    key, uid = Key("Container", container.metadata.name), container.metadata.uid
    present = store.snapshot().get(key)
    if not isinstance(present, Container) or present.metadata.uid != uid:
        yield container, True
        return
    yield present, False
    async for change in store.watch(after):
        resource = change.resource
        if isinstance(resource, Container) and resource.metadata.uid == uid:
            gone = change.type is ChangeType.DELETED
            if gone and resource.metadata.deleted_at is None:
                continue  # it comes again under another name
            yield resource, gone
            if gone:
                return


async def wait_for(
    store: StateStore, container: Container, condition: Callable[[Container], bool]
) -> tuple[Container, bool]:
    """Return the first state that meets the condition, or the last one and True when the container went before."""
    last = container
    async for state, gone in follow(store, container):
        if gone or condition(state):
            return state, gone
        last = state
    return last, True


def has_ended(run: int) -> Callable[[Container], bool]:
    """Return a test for the end of the given run, or of a later one: a process ended, or could not be started.

    As with Docker the first end counts, also of a container that is started again by its restart policy.
    """

    def test(state: Container) -> bool:
        status = state.status
        return status.run >= run and (status.phase in ENDED or status.finished_at is not None)

    return test


def has_left(container: Container) -> Callable[[Container], bool]:
    """Return a test for the end of the process that the container has now; without one, of its next."""
    if not is_running(container):
        return has_ended(container.spec.run)
    started_at = container.status.started_at

    def test(state: Container) -> bool:
        status = state.status
        return status.phase in ENDED or status.pid == 0 or status.started_at != started_at

    return test
