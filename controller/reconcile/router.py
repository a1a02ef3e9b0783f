"""From changes in the store and hints of the kernel to the keys that should have a turn."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from controller.model.changes import Change, ChangeType
from controller.model.container import Container
from controller.model.ids import Key, Uid
from controller.model.image import Image
from controller.model.kinds import Resource, key_of
from controller.model.network import Network
from controller.model.network_drivers import is_plugin
from controller.model.resource import is_ready
from controller.model.volume import Volume
from controller.plan.host import is_reachable
from controller.plan.image_pull import find_pull_failure
from controller.plan.parents import list_parent_names
from controller.plan.volume_mount import make_want
from controller.ports import Hint, HintType
from controller.reconcile.queue import Target, Whole
from controller.reconcile.references import References


@dataclass(frozen=True, slots=True, kw_only=True)
class _Facet:
    """Those sides of an object that turns depend on: its own, those of its users, of what it uses, that of the host.

    `heeds_users` tells of an object that something is to be done for when a user of it begins or ends.
    """

    own: Hashable
    leaving: bool
    for_users: Hashable
    for_host: Hashable
    for_used: Hashable = None
    heeds_users: bool = False


class Router:
    """Remembers what it saw last of every object, so that a status written by a turn does not set off the next."""

    def __init__(self, references: References) -> None:
        self._references = references
        self._facets: dict[Key, _Facet] = {}
        self._by_uid: dict[Uid, Key] = {}
        self._by_link: dict[str, set[Key]] = {}
        """Networks by the links of the host that they depend on."""
        self._by_driver: dict[str, set[Key]] = {}
        """Networks and volumes by the plugin that makes them."""

    def load(self, resources: Iterable[Resource]) -> None:
        """Take over the present state in place of all that was seen before; whoever calls it wakes every key."""
        for key in list(self._facets):
            self._forget(key)
        self._by_uid.clear()
        for resource in resources:
            self._remember(key_of(resource), resource)

    def route_change(self, change: Change) -> set[Target]:
        """Return the targets that a change concerns."""
        key = key_of(change.resource)
        before, used_before = self._facets.get(key), self._references.find_used(key)
        after: _Facet | None = None
        if change.type is ChangeType.DELETED:
            self._forget(key)
            self._by_uid.pop(Uid(change.resource.metadata.uid or ""), None)
        else:
            after = self._remember(key, change.resource)
        targets: set[Target] = set()
        if after is not None and (before is None or before.own != after.own):
            targets.add(key)
        if before is None or after is None or before.for_users != after.for_users:
            targets |= self._references.find_users(key)
        if (before and before.for_used) != (after and after.for_used):
            targets |= self._list_heedful(used_before | self._references.find_used(key))
        if (before and before.for_host) != (after and after.for_host):
            targets.add(Whole.HOST)
        # What waits until nobody names it any more, and what a plugin has made for who has left.
        left = used_before - self._references.find_used(key)
        targets |= {used for used in left if (facet := self._facets.get(used)) and facet.leaving}
        targets |= self._list_heedful(left) | {used for used in left if self.is_driven(used)}
        return targets

    def _list_heedful(self, used: frozenset[Key]) -> set[Key]:
        """Return those of the used objects, and of what these use, that heed their users."""
        further = {each for key in used for each in self._references.find_used(key)}
        return {key for key in used | further if (facet := self._facets.get(key)) and facet.heeds_users}

    def route_hint(self, hint: Hint) -> tuple[Target, ...]:
        """Return the targets that a hint is about; none for a uid that no object has, most likely one just removed."""
        if hint.type is HintType.FIREWALL:
            return (Whole.RULES,)
        if hint.type is HintType.NAMES:
            return (Whole.HOST,)
        if hint.type is HintType.LINK:
            return tuple(self._by_link.get(hint.subject, ()))
        if hint.type is HintType.PLUGIN:
            return tuple(self._by_driver.get(hint.subject, ()))
        if not hint.subject:
            return (Whole.EVERYTHING,)
        key = self._by_uid.get(Uid(hint.subject))
        return () if key is None else (key,)

    def is_driven(self, key: Key) -> bool:
        """Tell whether a plugin makes the network, and has to hear of containers that leave it."""
        return any(
            key in keys
            for driver, keys in self._by_driver.items()
            if key.kind == "Network" and is_plugin(driver)
        )

    def _remember(self, key: Key, resource: Resource) -> _Facet:
        facet = _derive_facet(resource)
        self._facets[key] = facet
        self._references.put(resource)
        self._by_uid[Uid(resource.metadata.uid or "")] = key
        self._forget_origins(key)
        for name in list_parent_names(resource) if isinstance(resource, Network) else ():
            self._by_link.setdefault(name, set()).add(key)
        if isinstance(resource, Network | Volume):
            self._by_driver.setdefault(resource.spec.driver, set()).add(key)
        return facet

    def _forget_origins(self, key: Key) -> None:
        if key.kind in ("Network", "Volume"):
            for keys in (*self._by_link.values(), *self._by_driver.values()):
                keys.discard(key)

    def _forget(self, key: Key) -> None:
        self._forget_origins(key)
        self._facets.pop(key, None)
        self._references.drop(key)


def _derive_facet(resource: Resource) -> _Facet:
    metadata = resource.metadata
    own = (metadata.uid, metadata.generation, metadata.deleted_at, str(resource.assigned))
    for_users: Hashable = is_ready(resource.status)
    for_host: Hashable = None
    for_used: Hashable = None
    heeds_users = False
    match resource:
        case Container():
            status = resource.status
            health = status.health.state if status.health is not None else None
            for_users = (
                (status.phase, status.exit_code, metadata.uid, health, status.started_at),
                (str(resource.assigned), resource.spec.mounts, resource.spec.network_mode),
            )
            for_used = (status.phase, resource.spec.desired)
            names = tuple((each.name, each.aliases) for each in resource.spec.networks)
            for_host = (
                metadata.uid,
                is_reachable(resource),
                str(resource.assigned),
                names,
                resource.spec.dns,
            )
        case Image():
            image = resource.status
            for_users = (is_ready(image), image.id, image.pull, find_pull_failure(resource))
        case Network():
            for_users = (is_ready(resource.status), str(resource.assigned), metadata.generation)
            for_host = own
        case Volume():
            heeds_users = make_want(resource).is_mounted
    return _Facet(
        own=own,
        leaving=metadata.deleted_at is not None,
        for_users=for_users,
        for_host=for_host,
        for_used=for_used,
        heeds_users=heeds_users,
    )
