"""Everything of ours in the kernel and on disk at one time, for a resync: each port is asked once."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from controller.model.facts import (
    AttachmentFacts,
    BridgeFacts,
    ImageFacts,
    NamespaceFacts,
    ParentFacts,
    ProcessFacts,
    RootFacts,
    VolumeFacts,
)
from controller.model.ids import Uid
from controller.plan.oci.surroundings import HostTexts
from controller.ports import KernelPorts


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Facts by the uid of the object that they belong to; images by their own digest."""

    processes: Mapping[Uid, ProcessFacts]
    roots: Mapping[Uid, RootFacts]
    namespaces: Mapping[Uid, NamespaceFacts]
    attachments: Mapping[Uid, tuple[AttachmentFacts, ...]]
    bridges: Mapping[Uid, tuple[BridgeFacts, ...]]
    parents: tuple[ParentFacts, ...]
    volumes: Mapping[Uid, VolumeFacts]
    images: Mapping[str, ImageFacts]
    host: HostTexts


async def read_world(kernel: KernelPorts) -> World:
    """Ask every port for all that it has."""
    attachments: dict[Uid, tuple[AttachmentFacts, ...]] = {}
    for link in await kernel.attachments.list():
        attachments[link.container] = (*attachments.get(link.container, ()), link)
    bridges: dict[Uid, tuple[BridgeFacts, ...]] = {}
    for bridge in await kernel.bridges.list():
        bridges[bridge.network] = (*bridges.get(bridge.network, ()), bridge)
    return World(
        processes={facts.uid: facts for facts in await kernel.processes.list()},
        roots={facts.uid: facts for facts in await kernel.roots.list()},
        namespaces={facts.container: facts for facts in await kernel.namespaces.list()},
        attachments=attachments,
        bridges=bridges,
        parents=await kernel.parents.list(),
        volumes={facts.uid: facts for facts in await kernel.volumes.list()},
        images=_index_images(await kernel.images.list()),
        host=kernel.read_host_texts(),
    )


def _index_images(images: Iterable[ImageFacts]) -> dict[str, ImageFacts]:
    """Index by both digests that an image can be asked for by."""
    index: dict[str, ImageFacts] = {}
    for image in images:
        index[image.manifest_digest] = image
        index[image.id] = image
    return index
