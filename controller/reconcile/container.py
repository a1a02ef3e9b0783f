"""Containers: what is observed of one, and how each step is carried out."""

from datetime import datetime
from typing import assert_never

from controller.errors import HoldError, Unavailable
from controller.model.changes import Snapshot
from controller.model.container import Container, ContainerStatus
from controller.model.ids import Uid
from controller.model.layout import Layout
from controller.model.limits import LimitFacts
from controller.model.wants import INSIDE_RESOLVER
from controller.plan.base import Plan
from controller.plan.container.actions import (
    ApplyLimits,
    Attach,
    ContainerAction,
    CreateProcess,
    DeleteNamespace,
    DeleteProcess,
    DeleteRoot,
    Detach,
    EnsureNamespace,
    LinkAction,
    MountRoot,
    MountVolume,
    PauseProcess,
    PrefillVolume,
    ProcessAction,
    ResumeProcess,
    RewriteTexts,
    RootAction,
    SignalProcess,
    StartProcess,
    UnmountRoot,
)
from controller.plan.container.inputs import ContainerDesired, ContainerObserved, gather_container
from controller.plan.container.planner import plan_container
from controller.plan.container.status import derive_failure
from controller.plan.container.verdict import is_alive
from controller.plan.oci.devices import list_device_sources
from controller.plan.oci.render import render_process
from controller.plan.oci.surroundings import Peer, Surroundings
from controller.ports import KernelPorts
from controller.reconcile.health import HealthRecords
from controller.reconcile.publication import Publication
from controller.reconcile.world import World


class ContainerReconciler:
    """The loop's part for containers."""

    def __init__(
        self, kernel: KernelPorts, layout: Layout, publication: Publication, health: HealthRecords
    ) -> None:
        self._kernel = kernel
        self._layout = layout
        self._publication = publication
        self._health = health

    def gather(self, snapshot: Snapshot, resource: Container) -> ContainerDesired:
        """Return what is wanted, with what it names."""
        return gather_container(snapshot, resource, self._layout)

    def plan(
        self, desired: ContainerDesired, observed: ContainerObserved, now: datetime
    ) -> Plan[ContainerAction, ContainerStatus]:
        """Decide."""
        return plan_container(desired, observed, now)

    def explain_failure(
        self, desired: ContainerDesired, action: ContainerAction, error: HoldError, now: datetime
    ) -> ContainerStatus:
        """Return the status after a step failed."""
        return derive_failure(desired, action, error, now)

    async def observe(self, desired: ContainerDesired) -> ContainerObserved:
        """Look at one container."""
        kernel, uid, joined = self._kernel, desired.uid, desired.joined_namespace
        process = await kernel.processes.read(uid)
        namespace = await kernel.namespaces.read(uid)
        return ContainerObserved(
            process=process,
            root=await kernel.roots.read(uid),
            namespace=namespace,
            joined=await kernel.namespaces.read(joined) if joined is not None else None,
            attachments=await kernel.attachments.read(uid) if namespace is not None else (),
            limits=await self._read_limits(desired) if is_alive(process) else None,
            health=self._health.find(uid),
            ports_published=self._publication.is_published(desired.container),
            host=kernel.read_host_texts(),
        )

    async def recall(self, desired: ContainerDesired, world: World) -> ContainerObserved:
        """Find one container in what a resync has read."""
        uid = desired.uid
        process = world.processes.get(uid)
        return ContainerObserved(
            process=process,
            root=world.roots.get(uid),
            namespace=world.namespaces.get(uid),
            joined=world.namespaces.get(desired.joined_namespace or uid),
            attachments=world.attachments.get(uid, ()) if uid in world.namespaces else (),
            limits=await self._read_limits(desired) if is_alive(process) else None,
            health=self._health.find(uid),
            ports_published=self._publication.is_published(desired.container),
            host=world.host,
        )

    async def _read_limits(self, desired: ContainerDesired) -> LimitFacts | None:
        devices = tuple(desired.container.spec.resources.block_io.devices)
        return await self._kernel.limits.read(desired.uid, devices=devices)

    async def apply(self, action: ContainerAction) -> None:
        """Carry out one step."""
        await carry_out(self._kernel, self._layout, action)


async def carry_out(kernel: KernelPorts, layout: Layout, action: ContainerAction) -> None:
    """Carry out one step of a container's plan; also for containers that no object speaks of any more."""
    match action:
        case EnsureNamespace() | DeleteNamespace() | Attach() | Detach():
            await _carry_out_on_links(kernel, action)
        case PrefillVolume() | MountVolume() | MountRoot() | UnmountRoot() | DeleteRoot():
            await _carry_out_on_root(kernel, action)
        case _:
            await _carry_out_on_process(kernel, layout, action)


async def _carry_out_on_links(kernel: KernelPorts, action: LinkAction) -> None:
    match action:
        case EnsureNamespace(uid=uid, id_base=id_base):
            await kernel.namespaces.ensure(uid, id_base=id_base)
        case DeleteNamespace(uid=uid):
            await kernel.names.leave(uid)
            await kernel.namespaces.delete(uid)
        case Attach(want=want):
            await kernel.attachments.ensure(want)
        case Detach(uid=uid, host_link=host_link):
            await kernel.attachments.delete(uid, host_link)
        case _:
            assert_never(action)


async def _carry_out_on_root(kernel: KernelPorts, action: RootAction) -> None:
    match action:
        case PrefillVolume(volume=volume, source=source, path=path):
            await kernel.volume_contents.prefill(volume, source, path)
        case MountVolume(volume=volume):
            await kernel.volumes.mount(volume)
        case MountRoot(want=want):
            await kernel.roots.mount(want)
        case UnmountRoot(uid=uid):
            await kernel.roots.unmount(uid)
        case DeleteRoot(uid=uid):
            await kernel.roots.delete(uid)
        case _:
            assert_never(action)


async def _carry_out_on_process(kernel: KernelPorts, layout: Layout, action: ProcessAction) -> None:
    match action:
        case CreateProcess():
            await _create(kernel, layout, action)
        case StartProcess(uid=uid):
            await kernel.processes.start(uid)
        case SignalProcess(uid=uid, number=number):
            await kernel.processes.signal(uid, number)
        case PauseProcess(uid=uid):
            await kernel.freezer.pause(uid)
        case ResumeProcess(uid=uid):
            await kernel.freezer.resume(uid)
        case DeleteProcess(uid=uid):
            kernel.events.disregard(uid)
            await kernel.processes.delete(uid)
        case RewriteTexts(uid=uid, files=files, inside=inside):
            if inside:
                await kernel.names.join(uid)
            await kernel.texts.rewrite(uid, files)
        case ApplyLimits(uid=uid, want=limits):
            await kernel.limits.apply(uid, limits)
        case _:
            assert_never(action)


async def _create(kernel: KernelPorts, layout: Layout, action: CreateProcess) -> None:
    if INSIDE_RESOLVER in action.nameservers and action.network_peer is None:
        await kernel.names.join(Uid(action.container.metadata.uid or ""))
    surroundings = Surroundings(
        layout=layout,
        image_config=action.image_config,
        accounts=await kernel.roots.read_accounts(action.root),
        volumes=dict(action.volumes),
        mounted_volumes=action.mounted_volumes,
        mounted_images=dict(action.mounted_images),
        nameservers=action.nameservers,
        host=kernel.read_host_texts(),
        devices={path: kernel.read_devices(path) for path in list_device_sources(action.container.spec)},
        network_peer=action.network_peer,
        peers={name: await _find_peer(kernel, name, uid) for name, uid in action.peers},
        linked={each.metadata.name: each for each in action.linked},
        gateway=action.gateway,
        spec_hash=action.spec_hash,
    )
    await kernel.processes.create(render_process(action.container, surroundings))
    kernel.events.expect(Uid(action.container.metadata.uid or ""))


async def _find_peer(kernel: KernelPorts, name: str, uid: Uid) -> Peer:
    """Return the process of another container, so that its namespaces can be joined."""
    process = await kernel.processes.read(uid)
    if process is None or not is_alive(process):
        raise Unavailable(f"container {name}, whose namespaces are to be joined, does not run")
    return Peer(uid=uid, pid=process.pid)
