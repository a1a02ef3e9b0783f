"""Content of images that no object stands for any more, removed before garbage collection comes to it."""

import logging
from collections.abc import Collection, Mapping

from controller.model.ids import Uid
from controller.model.layout import Layout
from controller.model.usage import Removed
from controller.plan.image_names import ImageIndex
from controller.ports import DesiredState, KernelPorts

LOG = logging.getLogger(__name__)


class DanglingImages:
    """Implements `controller.ports.library.DanglingContent`."""

    def __init__(self, *, kernel: KernelPorts, store: DesiredState, layout: Layout) -> None:
        self._kernel = kernel
        self._store = store
        self._layout = layout

    async def remove(self, image_ids: Collection[str]) -> Removed:
        """See DanglingContent."""
        removed: list[str] = []
        for image_id in image_ids:
            roots = await self.find_roots()
            index = ImageIndex(self._store.snapshot(), await self._kernel.images.list(), roots)
            facts = next((each for each in index.list_dangling() if each.id == image_id), None)
            if facts is None or index.list_holders(facts):
                continue
            if await self._kernel.images.discard(image_id, keep=frozenset(roots)):
                LOG.info("dangling content removed", extra={"image": image_id})
                removed.append(image_id)
        leftovers = await self._kernel.images.collect(keep=frozenset(await self.find_roots()))
        return Removed(images=tuple(removed), leftovers=leftovers)

    async def find_roots(self) -> Mapping[str, tuple[Uid, ...]]:
        """See DanglingContent."""
        found: dict[str, tuple[Uid, ...]] = {}
        for root in await self._kernel.roots.list():
            for layer in filter(None, map(self._layout.find_chain_id, root.held_paths)):
                found[layer] = (*found.get(layer, ()), root.uid)
        return found
