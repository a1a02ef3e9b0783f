"""From the writes of a batch and the facts of now to the steps that the loops will take, object by object."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar

from controller.model.changes import MarkDeleted, Put, Rename, Snapshot, Write
from controller.model.container import Container
from controller.model.ids import KINDS, Key
from controller.model.image import Image
from controller.model.kinds import Resource, key_of
from controller.model.layout import Layout
from controller.model.network import Network
from controller.model.volume import Volume
from controller.plan.admission.references import list_uses
from controller.plan.base import Action, Plan
from controller.plan.container.inputs import ContainerObserved, gather_container
from controller.plan.container.planner import plan_container
from controller.plan.forecast.advance import (
    advance_container,
    advance_image,
    advance_network,
    advance_volume,
)
from controller.plan.image import ImageObserved, gather_image, plan_image
from controller.plan.network import NetworkDesired, NetworkObserved, plan_network
from controller.plan.parents import find_heirs
from controller.plan.volume import VolumeObserved, gather_volume, plan_volume

_MOST_ROUNDS = 16

ObservedT = TypeVar("ObservedT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is observed now of each object that the batch concerns, by kind; what is missing has nothing."""

    containers: Mapping[Key, ContainerObserved] = field(default_factory=dict)
    networks: Mapping[Key, NetworkObserved] = field(default_factory=dict)
    volumes: Mapping[Key, VolumeObserved] = field(default_factory=dict)
    images: Mapping[Key, ImageObserved] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """Steps by object in the order in which the objects get theirs, and the state that they lead to."""

    steps: Mapping[Key, tuple[str, ...]]
    snapshot: Snapshot


def project(snapshot: Snapshot, writes: tuple[Write, ...], now: datetime) -> dict[Key, Resource]:
    """Return the objects as the store will have them after `writes`."""
    projected = dict(snapshot)
    for write in writes:
        match write:
            case Put(resource=resource, assigned=assigned):
                key = key_of(resource)
                before = snapshot.get(key)
                generation = before.metadata.generation if before is not None else 0
                if before is None or before.spec != resource.spec:
                    generation += 1
                metadata = resource.metadata.model_copy(update={"generation": generation})
                update = {"metadata": metadata, "assigned": assigned}
                projected[key] = resource.model_copy(update=update)
            case MarkDeleted(key=key):
                leaving = projected[key]
                metadata = leaving.metadata.model_copy(update={"deleted_at": now})
                projected[key] = leaving.model_copy(update={"metadata": metadata})
            case Rename(key=key, new_key=new_key):
                renamed = projected.pop(key)
                metadata = renamed.metadata.model_copy(update={"name": new_key.name})
                projected[new_key] = renamed.model_copy(update={"metadata": metadata})
    return projected


def _find_key(write: Write) -> Key:
    match write:
        case Put(resource=resource):
            return key_of(resource)
        case MarkDeleted(key=key):
            return key
        case Rename(new_key=key):
            return key


def list_concerned(snapshot: Snapshot, writes: tuple[Write, ...]) -> tuple[Key, ...]:
    """Return what is written and the containers that name it, in the order in which objects can be made."""
    written = {_find_key(write) for write in writes}
    users = {key for key, resource in snapshot.items() if not written.isdisjoint(list_uses(resource))}
    return tuple(sorted(written | users, key=lambda key: (KINDS.index(key.kind), key.name)))


def foresee(
    projected: Snapshot, concerned: tuple[Key, ...], facts: Facts, layout: Layout, now: datetime
) -> Foreseen:
    """Return the steps for the concerned objects. Containers that wait for others get theirs after those."""
    run = _Run(snapshot=dict(projected), facts=facts, layout=layout, now=now)
    changed = True
    while changed:
        changed = False
        for key in concerned:
            if key in run.snapshot and run.advance(key):
                changed = True
    return Foreseen(steps={key: tuple(steps) for key, steps in run.steps.items()}, snapshot=run.snapshot)


class _Run:
    """A forecast under way."""

    def __init__(self, *, snapshot: dict[Key, Resource], facts: Facts, layout: Layout, now: datetime) -> None:
        self.snapshot = snapshot
        self.steps: dict[Key, list[str]] = {}
        self._containers = dict(facts.containers)
        self._networks = dict(facts.networks)
        self._volumes = dict(facts.volumes)
        self._images = dict(facts.images)
        self._layout = layout
        self._now = now

    def advance(self, key: Key) -> bool:
        """Let one object have a turn; tells whether anything came of it."""
        before = self.snapshot[key]
        for _ in range(_MOST_ROUNDS):
            plan = self._plan(key)
            if plan.gone:
                del self.snapshot[key]
                return True
            self.steps.setdefault(key, []).extend(action.describe() for action in plan.actions)
            update = {"status": plan.status}
            if plan.retire:
                metadata = self.snapshot[key].metadata.model_copy(update={"deleted_at": self._now})
                update["metadata"] = metadata
            self.snapshot[key] = self.snapshot[key].model_copy(update=update)
            if not plan.actions and not plan.retire and plan.requeue_after_s != 0.0:
                break
        return self.snapshot[key] != before

    def _plan(self, key: Key) -> Plan[Any, Any]:
        """Plan for an object and believe that every step does what it should."""
        resource, now = self.snapshot[key], self._now
        match resource:
            case Container():
                # What admission will choose once the image is there is taken for chosen.
                desired = replace(
                    gather_container(self.snapshot, resource, self._layout), is_fully_assigned=True
                )
                seen = self._containers.get(key, ContainerObserved())
                seen = replace(seen, ports_published=True)
                plan = plan_container(desired, seen, now)
                self._containers[key] = _fold(
                    seen, plan, lambda facts, action: advance_container(facts, action, now)
                )
                return plan
            case Network():
                bridged = self._networks.get(key, NetworkObserved())
                joined = NetworkDesired(
                    network=resource,
                    users=self._list_users(key),
                    heirs=find_heirs(self.snapshot, resource),
                )
                network_plan = plan_network(joined, bridged, now)
                self._networks[key] = _fold(bridged, network_plan, advance_network)
                return network_plan
            case Volume():
                stored = self._volumes.get(key, VolumeObserved())
                wanted = gather_volume(self.snapshot, resource, self._list_users(key), self._layout)
                volume_plan = plan_volume(wanted, stored, now)
                self._volumes[key] = _fold(stored, volume_plan, advance_volume)
                return volume_plan
            case Image():
                content = self._images.get(key, ImageObserved())
                image = gather_image(self.snapshot, resource, self._list_users(key))
                image_plan = plan_image(image, content, now)
                self._images[key] = _fold(content, image_plan, advance_image)
                return image_plan

    def _list_users(self, target: Key) -> tuple[str, ...]:
        return tuple(key.name for key, resource in self.snapshot.items() if target in list_uses(resource))


def _fold(seen: ObservedT, plan: Plan[Any, Any], advance: Callable[[ObservedT, Any], ObservedT]) -> ObservedT:
    action: Action
    for action in plan.actions:
        seen = advance(seen, action)
    return seen
