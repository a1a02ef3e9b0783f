"""Links of containers, whatever joins them to their networks: `ContainerLinks(pairs=, sublinks=, given=, marked=)`."""

import asyncio

from controller.errors import Refused
from controller.kernel.network.attachments import KernelAttachments
from controller.kernel.network.given_links import GivenLinks
from controller.kernel.network.marked_links import MarkedLinks
from controller.kernel.network.sublinks import KernelSublinks
from controller.model.facts import AttachmentFacts
from controller.model.ids import Uid
from controller.model.wants import AttachmentWant


class ContainerLinks:
    """Implements `controller.ports.Attachments` by those who know each sort of link."""

    def __init__(
        self, *, pairs: KernelAttachments, sublinks: KernelSublinks, given: GivenLinks, marked: MarkedLinks
    ) -> None:
        self._pairs = pairs
        self._sublinks = sublinks
        self._given = given
        self._marked = marked

    async def list(self) -> tuple[AttachmentFacts, ...]:
        """Return the links of every container."""
        return await asyncio.to_thread(lambda: (*self._pairs.look_all(), *self._marked.look_all()))

    async def read(self, container: Uid) -> tuple[AttachmentFacts, ...]:
        """Return one container's links."""
        return await asyncio.to_thread(lambda: (*self._pairs.look(container), *self._marked.look(container)))

    async def ensure(self, want: AttachmentWant) -> None:
        """Make the link, or mend just what differs."""
        if want.driver:
            await self._given.ensure(want)
        elif want.sublink is not None:
            await self._sublinks.ensure(want, want.sublink)
        else:
            await self._pairs.ensure(want)

    async def delete(self, container: Uid, host_link: str) -> None:
        """Remove a link of the container's; its plugin hears of that by the network's own turn."""
        await self._pairs.delete(container, host_link)
        try:
            await asyncio.to_thread(self._marked.remove, container, host_link)
        except OSError as exc:
            raise Refused(f"link {host_link}: {exc.strerror}") from exc
