"""Every kernel port over one FakeWorld."""

import asyncio
from collections.abc import AsyncIterator

from controller.model.facts import DeviceNode
from controller.model.ids import Uid
from controller.plan.oci.surroundings import HostTexts
from controller.ports import Hint, KernelPorts
from tests.fakes.drivers import FakePlugins, make_drivers
from tests.fakes.network import (
    FakeAttachments,
    FakeBridges,
    FakeFirewall,
    FakeNameServer,
    FakeNamespaces,
    FakeParents,
)
from tests.fakes.probes import FakeProbes
from tests.fakes.processes import FakeFreezer, FakeLimits, FakeProcesses, FakeRoots, FakeTexts
from tests.fakes.pulls import FakePulls
from tests.fakes.steps import Steps
from tests.fakes.storage import FakeImages, FakeVolumeContents, FakeVolumes
from tests.fakes.world import FakeWorld


class FakeEvents:
    """See KernelEvents. Hints of processes come only for those that are watched."""

    def __init__(self, world: FakeWorld, steps: Steps) -> None:
        self._world = world
        self._steps = steps

    async def watch(self) -> AsyncIterator[Hint]:
        queue: asyncio.Queue[Hint] = asyncio.Queue()
        self._world.listeners.append(queue.put_nowait)
        try:
            while True:
                yield await queue.get()
        finally:
            self._world.listeners.remove(queue.put_nowait)

    def expect(self, uid: Uid) -> None:
        self._world.watched.add(uid)

    def disregard(self, uid: Uid) -> None:
        self._world.watched.discard(uid)


def make_ports(world: FakeWorld, steps: Steps, *, plugins: FakePlugins | None = None) -> KernelPorts:
    """Return all ports over one world, with the plugins that there are."""
    drivers = make_drivers(plugins or FakePlugins(world), steps)
    return KernelPorts(
        processes=FakeProcesses(world, steps),
        texts=FakeTexts(world, steps),
        freezer=FakeFreezer(world, steps),
        probes=FakeProbes(world, steps),
        limits=FakeLimits(world, steps),
        roots=FakeRoots(world, steps),
        namespaces=FakeNamespaces(world, steps),
        bridges=FakeBridges(world, steps),
        parents=FakeParents(world, steps),
        attachments=FakeAttachments(world, steps, drivers.networks),
        drivers=drivers,
        firewall=FakeFirewall(world, steps),
        names=FakeNameServer(world, steps),
        volumes=FakeVolumes(world, steps, drivers.volumes),
        volume_contents=FakeVolumeContents(world, steps),
        images=FakeImages(world, steps),
        pulls=FakePulls(world, steps),
        events=FakeEvents(world, steps),
        read_host_texts=HostTexts,
        read_devices=lambda path: (
            DeviceNode(path=path, kind="c", major=1, minor=3, mode=0o666, uid=0, gid=0),
        ),
    )
