"""Every kernel port over one FakeWorld."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace

from controller.errors import Conflict, NotFound, Refused
from controller.model.facts import (
    AccountFiles,
    AttachmentFacts,
    BridgeFacts,
    FirewallFacts,
    ImageFacts,
    LimitFacts,
    NamesFacts,
    NamespaceFacts,
    ProcessFacts,
    ProcessState,
    RootFacts,
)
from controller.model.ids import Uid
from controller.model.image import ImageConfig
from controller.model.signals import find_number
from controller.model.wants import (
    AttachmentWant,
    BridgeWant,
    FirewallWant,
    LimitsWant,
    NamesWant,
    ProcessWant,
    RootWant,
)
from controller.plan.oci.surroundings import HostTexts
from controller.ports import Hint, HintType, KernelPorts
from tests.fakes.steps import Steps
from tests.fakes.world import FakeWorld


class _Port:
    def __init__(self, world: FakeWorld, steps: Steps) -> None:
        self._world = world
        self._steps = steps


class FakeProcesses(_Port):
    """See Processes."""

    async def list(self) -> tuple[ProcessFacts, ...]:
        call = await self._steps.begin("processes.list")
        facts = tuple(process.facts for process in self._world.processes.values())
        await self._steps.end(call)
        return facts

    async def read(self, uid: Uid) -> ProcessFacts | None:
        call = await self._steps.begin("processes.read")
        process = self._world.processes.get(uid)
        await self._steps.end(call)
        return process.facts if process is not None else None

    async def create(self, want: ProcessWant) -> None:
        world = self._world
        call = await self._steps.begin("processes.create")
        if world.is_alive(want.uid):
            world.violate(f"two runtimes for {want.name}")
        root = world.roots.get(want.uid)
        if root is None or not root.mounted:
            raise Refused(f"root of {want.name} is not mounted")
        isolated = any(
            "path" in each
            for each in json.loads(want.config_json)["linux"]["namespaces"]
            if each["type"] == "network"
        )
        if isolated and want.uid not in world.namespaces:
            raise Refused(f"network namespace of {want.name} is not there")
        if world.choose_program(want).refusal == "create":
            raise Refused("the runtime does not like the configuration")
        world.make_process(want)
        await self._steps.end(call)

    async def start(self, uid: Uid) -> None:
        call = await self._steps.begin("processes.start")
        process = self._world.processes.get(uid)
        if process is None:
            raise NotFound(f"{uid} was not created")
        program = self._world.choose_program(process.want)
        if program.refusal:
            raise Refused(program.refusal)
        if process.facts.state is ProcessState.CREATED:
            self._world.start_process(uid)
        await self._steps.end(call)

    async def signal(self, uid: Uid, number: int) -> None:
        call = await self._steps.begin("processes.signal")
        process = self._world.processes.get(uid)
        if process is not None and process.facts.state is ProcessState.RUNNING:
            ignored = self._world.choose_program(process.want).ignores_term
            if number == find_number("SIGKILL") or not ignored:
                self._world.end_process(uid, 128 + number)
        await self._steps.end(call)

    async def delete(self, uid: Uid) -> None:
        call = await self._steps.begin("processes.delete")
        self._world.end_process(uid, 137)
        self._world.processes.pop(uid, None)
        self._world.limits.pop(uid, None)
        await self._steps.end(call)


class FakeFreezer(_Port):
    """See Freezer."""

    async def pause(self, uid: Uid) -> None:
        await self._set(uid, "freezer.pause", ProcessState.RUNNING, ProcessState.PAUSED)

    async def resume(self, uid: Uid) -> None:
        await self._set(uid, "freezer.resume", ProcessState.PAUSED, ProcessState.RUNNING)

    async def _set(self, uid: Uid, name: str, before: ProcessState, after: ProcessState) -> None:
        call = await self._steps.begin(name)
        process = self._world.processes.get(uid)
        if process is not None and process.facts.state is before:
            process.facts = replace(process.facts, state=after)
        await self._steps.end(call)


class FakeLimits(_Port):
    """See Limits."""

    async def read(self, uid: Uid) -> LimitFacts | None:
        return self._world.limits.get(uid)

    async def apply(self, uid: Uid, want: LimitsWant) -> None:
        call = await self._steps.begin("limits.apply")
        if uid in self._world.limits:
            facts = LimitFacts(memory_bytes=want.memory_bytes, cpus=want.cpus, pids=want.pids)
            self._world.limits[uid] = facts
        await self._steps.end(call)


class FakeRoots(_Port):
    """See Roots."""

    async def list(self) -> tuple[RootFacts, ...]:
        call = await self._steps.begin("roots.list")
        await self._steps.end(call)
        return tuple(self._world.roots.values())

    async def read(self, uid: Uid) -> RootFacts:
        call = await self._steps.begin("roots.read")
        await self._steps.end(call)
        return self._world.roots.get(uid, RootFacts(uid=uid, mounted=False))

    async def mount(self, want: RootWant) -> None:
        call = await self._steps.begin("roots.mount")
        if self._world.is_alive(want.uid):
            self._world.violate(f"mounted the root of a live process {want.uid}")
        facts = RootFacts(uid=want.uid, mounted=True, lower_paths=want.lower_paths, has_upper=True)
        self._world.roots[want.uid] = facts
        await self._steps.end(call)

    async def unmount(self, uid: Uid) -> None:
        call = await self._steps.begin("roots.unmount")
        if self._world.is_alive(uid):
            self._world.violate(f"unmounted the root of a live process {uid}")
        if uid in self._world.roots:
            self._world.roots[uid] = replace(self._world.roots[uid], mounted=False, lower_paths=())
        await self._steps.end(call)

    async def delete(self, uid: Uid) -> None:
        call = await self._steps.begin("roots.delete")
        root = self._world.roots.get(uid)
        if root is not None and root.mounted:
            self._world.violate(f"deleted a mounted root {uid}")
        self._world.roots.pop(uid, None)
        await self._steps.end(call)

    async def read_accounts(self, want: RootWant) -> AccountFiles:
        call = await self._steps.begin("roots.read_accounts")
        await self._steps.end(call)
        del want
        return AccountFiles(
            passwd="root:x:0:0::/root:/bin/sh\nweb:x:33:33::/srv:/bin/sh\n", group="root:x:0:\n"
        )


class FakeNamespaces(_Port):
    """See Namespaces."""

    async def list(self) -> tuple[NamespaceFacts, ...]:
        call = await self._steps.begin("namespaces.list")
        await self._steps.end(call)
        return tuple(
            NamespaceFacts(container=uid, loopback_up=up) for uid, up in self._world.namespaces.items()
        )

    async def read(self, container: Uid) -> NamespaceFacts | None:
        call = await self._steps.begin("namespaces.read")
        await self._steps.end(call)
        up = self._world.namespaces.get(container)
        return NamespaceFacts(container=container, loopback_up=up) if up is not None else None

    async def ensure(self, container: Uid) -> None:
        call = await self._steps.begin("namespaces.ensure")
        self._world.namespaces[container] = True
        await self._steps.end(call)

    async def delete(self, container: Uid) -> None:
        call = await self._steps.begin("namespaces.delete")
        if self._world.is_alive(container):
            self._world.violate(f"dropped the namespace of a live process {container}")
        self._world.namespaces.pop(container, None)
        self._world.drop_links(container)
        await self._steps.end(call)


class FakeBridges(_Port):
    """See Bridges."""

    async def list(self) -> tuple[BridgeFacts, ...]:
        call = await self._steps.begin("bridges.list")
        await self._steps.end(call)
        return tuple(self._world.bridges.values())

    async def ensure(self, want: BridgeWant) -> None:
        call = await self._steps.begin("bridges.ensure")
        if want.name in self._world.foreign:
            raise Conflict(f"link {want.name} is not hold's")
        before = self._world.bridges.get(want.network)
        self._world.bridges[want.network] = BridgeFacts(
            network=want.network,
            name=want.name,
            up=True,
            addresses=(want.address,),
            mtu=want.mtu or (before.mtu if before is not None else 1500),
        )
        self._world.hint(HintType.BRIDGE, want.network)
        await self._steps.end(call)

    async def delete(self, network: Uid) -> None:
        call = await self._steps.begin("bridges.delete")
        bridge = self._world.bridges.pop(network, None)
        if bridge is not None:
            self._world.unplug(bridge.name)
            self._world.hint(HintType.BRIDGE, network)
        await self._steps.end(call)


class FakeAttachments(_Port):
    """See Attachments."""

    async def list(self) -> tuple[AttachmentFacts, ...]:
        call = await self._steps.begin("attachments.list")
        await self._steps.end(call)
        return tuple(self._world.links.values())

    async def read(self, container: Uid) -> tuple[AttachmentFacts, ...]:
        call = await self._steps.begin("attachments.read")
        await self._steps.end(call)
        return tuple(link for (uid, _), link in self._world.links.items() if uid == container)

    async def ensure(self, want: AttachmentWant) -> None:
        call = await self._steps.begin("attachments.ensure")
        world = self._world
        if want.container not in world.namespaces:
            raise NotFound(f"{want.container} has no network namespace")
        if want.bridge not in {bridge.name for bridge in world.bridges.values()}:
            raise NotFound(f"there is no bridge {want.bridge}")
        for (uid, _), link in world.links.items():
            if uid != want.container and link.bridge == want.bridge and want.address in link.addresses:
                world.violate(f"address {want.address} twice")
        before = world.links.get((want.container, want.host_link))
        world.links[want.container, want.host_link] = AttachmentFacts(
            container=want.container,
            host_link=want.host_link,
            bridge=want.bridge,
            host_up=True,
            inside=want.inside,
            inside_up=True,
            mac=want.mac,
            addresses=(want.address,),
            gateway=want.gateway,
            mtu=want.mtu or (before.mtu if before is not None else 1500),
        )
        world.hint(HintType.ATTACHMENT, want.container)
        await self._steps.end(call)

    async def delete(self, container: Uid, host_link: str) -> None:
        call = await self._steps.begin("attachments.delete")
        self._world.links.pop((container, host_link), None)
        self._world.hint(HintType.ATTACHMENT, container)
        await self._steps.end(call)


class FakeFirewall(_Port):
    """See Firewall."""

    async def read(self) -> FirewallFacts:
        call = await self._steps.begin("firewall.read")
        await self._steps.end(call)
        return FirewallFacts(digest=self._world.firewall.digest if self._world.firewall else "")

    async def replace(self, want: FirewallWant) -> None:
        call = await self._steps.begin("firewall.replace")
        self._world.firewall = want
        self._world.hint(HintType.FIREWALL)
        await self._steps.end(call)

    async def delete(self) -> None:
        call = await self._steps.begin("firewall.delete")
        self._world.firewall = None
        await self._steps.end(call)


class FakeNameServer(_Port):
    """See NameServer."""

    async def read(self) -> NamesFacts:
        call = await self._steps.begin("names.read")
        await self._steps.end(call)
        names = self._world.names
        return NamesFacts(digest=names.digest if names else "", serving=self._world.name_server_lives)

    async def publish(self, want: NamesWant) -> None:
        call = await self._steps.begin("names.publish")
        self._world.names = want
        self._world.name_server_lives = bool(want.zones)
        await self._steps.end(call)


class FakeVolumes(_Port):
    """See VolumeDirectories. A volume is the list of paths that were copied into it."""

    async def list(self) -> tuple[Uid, ...]:
        call = await self._steps.begin("volumes.list")
        await self._steps.end(call)
        return tuple(self._world.volumes)

    async def ensure(self, volume: Uid) -> None:
        call = await self._steps.begin("volumes.ensure")
        self._world.volumes.setdefault(volume, [])
        await self._steps.end(call)

    async def prefill(self, volume: Uid, source: RootWant, path: str) -> None:
        call = await self._steps.begin("volumes.prefill")
        del source
        if volume not in self._world.volumes:
            raise NotFound(f"volume {volume} has no directory")
        if not self._world.volumes[volume]:
            self._world.volumes[volume].append(path)
        await self._steps.end(call)

    async def delete(self, volume: Uid) -> None:
        call = await self._steps.begin("volumes.delete")
        self._world.volumes.pop(volume, None)
        await self._steps.end(call)


class FakeImages(_Port):
    """See Images. An archive is a text by path; what it says decides the digest."""

    async def list(self) -> tuple[ImageFacts, ...]:
        call = await self._steps.begin("images.list")
        await self._steps.end(call)
        return tuple(self._world.images.values())

    async def find(self, digest: str) -> ImageFacts | None:
        call = await self._steps.begin("images.find")
        await self._steps.end(call)
        images = self._world.images.values()
        return next((each for each in images if digest in (each.id, each.manifest_digest)), None)

    async def import_archive(self, path: str, config: ImageConfig) -> ImageFacts:
        return await self._import("images.import_archive", path, config)

    async def import_directory(self, path: str, config: ImageConfig) -> ImageFacts:
        return await self._import("images.import_directory", path, config)

    async def _import(self, name: str, path: str, config: ImageConfig) -> ImageFacts:
        call = await self._steps.begin(name)
        content = self._world.archives.get(path)
        if content is None:
            raise NotFound(f"{path} does not exist")
        layer = "sha256:" + hashlib.sha256(content.encode()).hexdigest()
        text = layer + config.model_dump_json()
        image_id = "sha256:" + hashlib.sha256(text.encode()).hexdigest()
        facts = ImageFacts(
            id=image_id,
            manifest_digest="sha256:" + hashlib.sha256(image_id.encode()).hexdigest(),
            config=config,
            layers=(layer,),
            size_bytes=len(content),
        )
        self._world.images[image_id] = facts
        await self._steps.end(call)
        return facts

    async def delete(self, image_id: str, *, keep: frozenset[str]) -> None:
        call = await self._steps.begin("images.delete")
        del keep
        self._world.images.pop(image_id, None)
        await self._steps.end(call)


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


def make_ports(world: FakeWorld, steps: Steps) -> KernelPorts:
    """Return all ports over one world."""
    return KernelPorts(
        processes=FakeProcesses(world, steps),
        freezer=FakeFreezer(world, steps),
        limits=FakeLimits(world, steps),
        roots=FakeRoots(world, steps),
        namespaces=FakeNamespaces(world, steps),
        bridges=FakeBridges(world, steps),
        attachments=FakeAttachments(world, steps),
        firewall=FakeFirewall(world, steps),
        names=FakeNameServer(world, steps),
        volumes=FakeVolumes(world, steps),
        images=FakeImages(world, steps),
        events=FakeEvents(world, steps),
        read_host_texts=HostTexts,
    )
