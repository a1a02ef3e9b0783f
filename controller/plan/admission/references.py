"""What objects need of one another: what must be there, who uses whom, and no circles."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from controller.errors import Invalid, Unavailable
from controller.model.changes import Snapshot
from controller.model.container import ContainerAssigned, ContainerSpec
from controller.model.ids import Key
from controller.model.kinds import Resource, Spec
from controller.model.mounts import MountType
from controller.model.naming import find_peer
from controller.model.resource import is_ready
from controller.model.volume import Volume
from controller.plan.admission.findings import Findings, suggest
from controller.plan.admission.intents import Intent

_HINTS = {
    "Network": "declare it",
    "Volume": "declare it",
    "Image": "import it",
    "Container": "declare it",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The state as it will be: the snapshot, with the batch's intents in place and `leaving` on their way out."""

    snapshot: Snapshot
    intents: Mapping[Key, Intent]
    leaving: frozenset[Key]
    _suggestions: dict[Key, str] = field(default_factory=dict)

    def suggest(self, key: Key) -> str:
        """Return the nearest name of the kind as a question, or nothing."""
        if key not in self._suggestions:
            names = {other.name for other in (*self.snapshot, *self.intents) if other.kind == key.kind}
            self._suggestions[key] = suggest(key.name, names - {key.name})
        return self._suggestions[key]


def list_references(spec: Spec) -> Iterator[tuple[str, Key]]:
    """Yield what `spec` needs: the path of the field and the key that it names."""
    if not isinstance(spec, ContainerSpec):
        return
    if spec.image is not None:
        yield "spec.image", Key("Image", spec.image)
    for index, attachment in enumerate(spec.networks):
        yield f"spec.networks[{index}].name", Key("Network", attachment.name)
    for index, mount in enumerate(spec.mounts):
        if mount.type is MountType.VOLUME and mount.source:
            yield f"spec.mounts[{index}].source", Key("Volume", mount.source)
        if mount.type is MountType.IMAGE:
            yield f"spec.mounts[{index}].source", Key("Image", mount.source)
    for name in spec.depends_on:
        yield f"spec.dependsOn.{name}", Key("Container", name)
    yield from _list_peers(spec)


def _list_peers(spec: ContainerSpec) -> Iterator[tuple[str, Key]]:
    """Yield the containers that are named for something of theirs."""
    for path, mode in (("networkMode", spec.network_mode), ("pid", spec.pid), ("ipc", spec.ipc)):
        if find_peer(mode):
            yield f"spec.{path}", Key("Container", find_peer(mode))
    for index, link in enumerate(spec.links):
        yield f"spec.links[{index}].container", Key("Container", link.container)
    for index, source in enumerate(spec.volumes_from):
        yield f"spec.volumesFrom[{index}].container", Key("Container", source.container)


def list_uses(resource: Resource) -> frozenset[Key]:
    """Return what an object uses: what its spec names, and the volumes that were chosen for it.

    A volume that is copied from another one uses that until the copy is there.
    """
    if isinstance(resource, Volume):
        source = None if is_ready(resource.status) else resource.spec.source
        return frozenset({Key("Volume", source.volume)} if source is not None else ())
    named = {target for _, target in list_references(resource.spec)}
    assigned = resource.assigned
    chosen = assigned.volumes.values() if isinstance(assigned, ContainerAssigned) else ()
    return frozenset(named | {Key("Volume", name) for name in chosen})


def index_users(uses: Iterable[tuple[Key, Iterable[Key]]]) -> dict[Key, list[Key]]:
    """Return, for each key that is used, the objects that use it, in order of name."""
    users: dict[Key, list[Key]] = {}
    for user, targets in uses:
        for target in targets:
            users.setdefault(target, []).append(user)
    for found in users.values():
        found.sort()
    return users


def list_all_uses(world: World) -> Iterator[tuple[Key, frozenset[Key]]]:
    """Yield every object that stays with what it uses."""
    for key, intent in world.intents.items():
        named = {target for _, target in list_references(intent.spec)}
        yield key, frozenset(named | {Key("Volume", name) for name in intent.volumes.values()})
    for key, resource in world.snapshot.items():
        if key not in world.intents and key not in world.leaving and is_staying(resource):
            yield key, list_uses(resource)


def is_staying(resource: Resource) -> bool:
    """Tell whether nobody has asked for the object's deletion."""
    return resource.metadata.deleted_at is None


def check_references(world: World, findings: Findings) -> None:
    """Find references of the batch's objects to what is not there or is going away."""
    for key, intent in world.intents.items():
        for path, target in list_references(intent.spec):
            if target in world.intents:
                continue
            stored = world.snapshot.get(target)
            if stored is None:
                hint = world.suggest(target) or f": {_HINTS[target.kind]} first"
                findings.add(Invalid, key, path, f"{target} does not exist{hint}")
            elif target in world.leaving:
                findings.add(Invalid, key, path, f"{target} is deleted by the same batch")
            elif not is_staying(stored):
                findings.add(Unavailable, key, path, f"{target} is being deleted: try again when it is gone")


def check_cycles(world: World, findings: Findings) -> None:
    """Find containers of the batch that wait for one another."""
    reported: set[Key] = set()
    done: set[Key] = set()
    for start in world.intents:
        for cycle in _walk_cycles(world, start, done):
            if reported.isdisjoint(cycle):
                reported.update(cycle)
                names = " -> ".join(key.name for key in [*cycle, cycle[0]])
                findings.add(Invalid, cycle[0], "spec.dependsOn", f"dependencies form a cycle: {names}")


def _walk_cycles(world: World, start: Key, done: set[Key]) -> Iterator[tuple[Key, ...]]:
    """Yield the cycles met on a depth-first walk that enters each container once."""
    path: dict[Key, None] = {}
    stack = [(start, iter(_list_dependencies(world, start)))]
    if start in done:
        return
    path[start] = None
    while stack:
        key, targets = stack[-1]
        target = next(targets, None)
        if target is None:
            stack.pop()
            path.pop(key)
            done.add(key)
        elif target in path:
            walked = list(path)
            yield tuple(walked[walked.index(target) :])
        elif target not in done:
            path[target] = None
            stack.append((target, iter(_list_dependencies(world, target))))


def _list_dependencies(world: World, key: Key) -> list[Key]:
    intent = world.intents.get(key)
    stored = world.snapshot.get(key)
    spec = intent.spec if intent is not None else stored.spec if stored is not None else None
    if not isinstance(spec, ContainerSpec):
        return []
    joined = filter(None, map(find_peer, (spec.network_mode, spec.pid, spec.ipc)))
    taken = (source.container for source in spec.volumes_from)
    return [Key("Container", name) for name in (*spec.depends_on, *joined, *taken)]
