"""Content of images that no object stands for any more, removed before garbage collection comes to it."""

import logging
from collections.abc import Collection

from controller.model.layout import Layout
from controller.plan.image_names import ImageIndex
from controller.ports import DesiredState, KernelPorts

LOG = logging.getLogger(__name__)


class DanglingImages:
    """Implements `controller.ports.library.DanglingContent`."""

    def __init__(self, *, kernel: KernelPorts, store: DesiredState, layout: Layout) -> None:
        self._kernel = kernel
        self._store = store
        self._layout = layout

    async def remove(self, image_ids: Collection[str]) -> tuple[str, ...]:
        """See DanglingContent."""
        removed: list[str] = []
        for image_id in image_ids:
            keep = await self.list_layers_in_use()
            index = ImageIndex(self._store.snapshot(), await self._kernel.images.list())
            is_dangling = image_id in {facts.id for facts in index.list_dangling()}
            if is_dangling and await self._kernel.images.discard(image_id, keep=keep):
                LOG.info("dangling content removed", extra={"image": image_id})
                removed.append(image_id)
        return tuple(removed)

    async def list_layers_in_use(self) -> frozenset[str]:
        """See DanglingContent."""
        in_use = {path for root in await self._kernel.roots.list() for path in root.lower_paths}
        contents = await self._kernel.images.list()
        named = {layer for facts in contents for layer in facts.layers}
        return frozenset(layer for layer in named if self._layout.layer_path(layer) in in_use)
