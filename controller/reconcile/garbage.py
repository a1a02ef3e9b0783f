"""What is ours in the kernel and on disk, but of no object any more: left by a crash, or by hands."""

import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import ParamSpec

from controller.errors import HoldError
from controller.model.changes import Snapshot
from controller.model.ids import Uid
from controller.model.image import Image
from controller.model.layout import Layout
from controller.plan.container.ending import list_removal_actions
from controller.plan.container.inputs import ContainerObserved
from controller.ports import KernelPorts
from controller.reconcile.container import carry_out
from controller.reconcile.world import World

LOG = logging.getLogger(__name__)

P = ParamSpec("P")


class Garbage:
    """Removes what no object speaks of. Data of volumes goes only when the Volume itself is deleted."""

    def __init__(self, kernel: KernelPorts, layout: Layout) -> None:
        self._kernel = kernel
        self._layout = layout
        self._unclaimed: frozenset[str] = frozenset()

    async def collect(self, world: World, snapshot: Snapshot) -> None:
        """Remove what was in `world` and is not in `snapshot`, which must be the younger of the two.

        Goes on past errors and raises them together.
        """
        owned = {Uid(resource.metadata.uid or "") for resource in snapshot.values()}
        errors: list[HoldError] = []
        for uid in _list_containers(world):
            if uid not in owned:
                await _try(errors, self._remove_container, uid, world)
        for uid, bridges in world.bridges.items():
            if uid not in owned:
                LOG.info("garbage", extra={"network": uid, "links": [facts.name for facts in bridges]})
                await _try(errors, self._kernel.bridges.delete, uid)
        for parent in world.parents:
            if parent.network is not None and parent.network not in owned:
                LOG.info("garbage", extra={"network": parent.network, "links": [parent.name]})
                await _try(errors, self._kernel.parents.delete, parent.network, parent.name)
        await self._collect_images(world, snapshot, errors)
        if errors:
            raise ExceptionGroup("garbage that can't be removed", errors)

    async def _remove_container(self, uid: Uid, world: World) -> None:
        observed = ContainerObserved(
            process=world.processes.get(uid),
            root=world.roots.get(uid),
            namespace=world.namespaces.get(uid),
        )
        actions = list_removal_actions(observed)
        steps = [action.describe() for action in actions]
        links = () if observed.namespace is not None else world.attachments.get(uid, ())
        LOG.info("garbage", extra={"container": uid, "steps": steps, "links": len(links)})
        for action in actions:
            await carry_out(self._kernel, self._layout, action)
        for link in links:
            await self._kernel.attachments.delete(uid, link.host_link)

    async def _collect_images(self, world: World, snapshot: Snapshot, errors: list[HoldError]) -> None:
        """Remove images that nobody claimed in two resyncs: an import stores content before its object is written.

        What a container stands on stays until its root is unmounted.
        """
        claimed: set[str] = set()
        layers: set[str] = set()
        for resource in snapshot.values():
            if isinstance(resource, Image):
                claimed |= {resource.status.id, resource.spec.source.stored or ""}
                layers |= set(resource.status.layers)
        in_use = {path for facts in world.roots.values() for path in facts.held_paths}
        held = set(filter(None, map(self._layout.find_chain_id, in_use)))
        layers |= held
        images = {facts.id: facts for facts in world.images.values()}
        unclaimed = {
            facts.id
            for facts in images.values()
            if claimed.isdisjoint((facts.id, facts.manifest_digest)) and held.isdisjoint(facts.layers[-1:])
        }
        for image_id in sorted(unclaimed & self._unclaimed):
            LOG.info("garbage", extra={"image": image_id})
            await _try(errors, self._delete_image, image_id, frozenset(layers))
        self._unclaimed = frozenset(unclaimed)
        await _try(errors, self._clear_store, frozenset(layers))

    async def _clear_store(self, keep: frozenset[str]) -> None:
        """Remove layers that no image has, left where a removal was interrupted."""
        reclaimed = await self._kernel.images.collect(keep=keep)
        if reclaimed.layers or reclaimed.blobs:
            LOG.info("garbage", extra={"layers": reclaimed.layers, "blobs": reclaimed.blobs})

    async def _delete_image(self, image_id: str, keep: frozenset[str]) -> None:
        await self._kernel.images.discard(image_id, keep=keep)


def _list_containers(world: World) -> Iterable[Uid]:
    """Return the uids of everything that belongs to containers, in a fixed order."""
    return sorted(
        world.processes.keys() | world.roots.keys() | world.namespaces.keys() | world.attachments.keys()
    )


async def _try(
    errors: list[HoldError], act: Callable[P, Awaitable[None]], *args: P.args, **kwargs: P.kwargs
) -> None:
    try:
        await act(*args, **kwargs)
    except HoldError as error:
        errors.append(error)
