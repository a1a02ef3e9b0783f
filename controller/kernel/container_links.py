"""Links of containers, whatever joins them to their networks: `ContainerLinks(pairs=, sublinks=, given=)`."""

from controller.kernel.attachments import KernelAttachments
from controller.kernel.given_links import GivenLinks
from controller.kernel.sublinks import KernelSublinks
from controller.model.facts import AttachmentFacts
from controller.model.ids import Uid
from controller.model.wants import AttachmentWant


class ContainerLinks:
    """Implements `controller.ports.Attachments` by those who know each sort of link."""

    def __init__(self, *, pairs: KernelAttachments, sublinks: KernelSublinks, given: GivenLinks) -> None:
        self._pairs = pairs
        self._sublinks = sublinks
        self._given = given

    async def list(self) -> tuple[AttachmentFacts, ...]:
        """Return the links of every container."""
        return (*await self._pairs.list(), *await self._sublinks.list(), *await self._given.list())

    async def read(self, container: Uid) -> tuple[AttachmentFacts, ...]:
        """Return one container's links."""
        pairs, sublinks = await self._pairs.read(container), await self._sublinks.read(container)
        return (*pairs, *sublinks, *await self._given.read(container))

    async def ensure(self, want: AttachmentWant) -> None:
        """Make the link, or mend just what differs."""
        if want.driver:
            await self._given.ensure(want)
        elif want.sublink is not None:
            await self._sublinks.ensure(want)
        else:
            await self._pairs.ensure(want)

    async def delete(self, container: Uid, host_link: str) -> None:
        """Remove a link of the container's."""
        await self._pairs.delete(container, host_link)
        await self._sublinks.delete(container, host_link)
        await self._given.delete(container, host_link)
