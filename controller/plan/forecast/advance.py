"""What each step does to what is observed, if all goes well."""

from dataclasses import replace
from datetime import datetime
from typing import assert_never

from controller.model.facts import (
    AttachmentFacts,
    BridgeFacts,
    ImageFacts,
    NamespaceFacts,
    ParentFacts,
    ProcessFacts,
    ProcessState,
    RootFacts,
)
from controller.model.image import ImageConfig
from controller.model.wants import AttachmentWant
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
    ResumeProcess,
    RewriteTexts,
    RootAction,
    SignalProcess,
    StartProcess,
    UnmountRoot,
)
from controller.plan.container.inputs import ContainerObserved
from controller.plan.driven_network import (
    EnsureDrivenNetwork,
    RemoveDrivenNetwork,
    RemoveEndpoint,
    advance_driven_network,
)
from controller.plan.driven_volume import (
    EnsureDrivenVolume,
    RemoveDrivenVolume,
    UnmountDrivenVolume,
    advance_driven,
)
from controller.plan.image import (
    DeleteContent,
    ImageAction,
    ImageObserved,
    ImportArchive,
    ImportDirectory,
)
from controller.plan.image_pull import BeginPull, CancelPull
from controller.plan.limits import foresee_limits
from controller.plan.network import DeleteBridge, EnsureBridge, NetworkAction, NetworkObserved
from controller.plan.oci.files import derive_texts_digest
from controller.plan.parents import DeleteParent, EnsureParent
from controller.plan.volume import (
    CopyVolume,
    DeleteDirectory,
    EnsureDirectory,
    UnmountVolume,
    VolumeAction,
    VolumeObserved,
)

FORESEEN_PID = 1


def advance_container(
    observed: ContainerObserved, action: ContainerAction, now: datetime
) -> ContainerObserved:
    """Return what a container will have after `action`. A process that is sent a signal is believed to end."""
    match action:
        case EnsureNamespace() | DeleteNamespace() | Attach() | Detach():
            return _advance_links(observed, action)
        case PrefillVolume() | MountVolume() | MountRoot() | UnmountRoot() | DeleteRoot():
            return replace(observed, root=_advance_root(observed.root, action))
        case ApplyLimits(want=want):
            return replace(observed, limits=foresee_limits(want, observed.limits))
        case CreateProcess():
            return replace(observed, process=_foresee_process(action), limits=None)
        case DeleteProcess():
            return replace(observed, process=None, limits=None)
        case StartProcess() | SignalProcess() | PauseProcess() | ResumeProcess() | RewriteTexts():
            process = observed.process
            advanced = _advance_process(process, action, now) if process is not None else None
            return replace(observed, process=advanced)
        case _:
            assert_never(action)


def _advance_links(observed: ContainerObserved, action: LinkAction) -> ContainerObserved:
    match action:
        case EnsureNamespace(uid=uid, id_base=id_base):
            made = NamespaceFacts(container=uid, loopback_up=True, id_base=id_base)
            return replace(observed, namespace=made)
        case DeleteNamespace():
            return replace(observed, namespace=None, attachments=())
        case Attach(want=want):
            others = [facts for facts in observed.attachments if facts.host_link != want.host_link]
            return replace(observed, attachments=(*others, _attach(want)))
        case Detach(host_link=host_link):
            left = tuple(facts for facts in observed.attachments if facts.host_link != host_link)
            return replace(observed, attachments=left)
        case _:
            assert_never(action)


def _advance_root(root: RootFacts | None, action: RootAction) -> RootFacts | None:
    match action:
        case PrefillVolume() | MountVolume():
            return root
        case MountRoot(want=want):
            return RootFacts(
                uid=want.uid, mounted=True, lower_paths=want.lower_paths, has_upper=True, id_base=want.id_base
            )
        case UnmountRoot(uid=uid):
            return RootFacts(uid=uid, mounted=False, has_upper=True)
        case DeleteRoot():
            return None
        case _:
            assert_never(action)


def _foresee_process(action: CreateProcess) -> ProcessFacts:
    spec = action.container.spec
    return ProcessFacts(
        uid=action.root.uid,
        state=ProcessState.CREATED,
        pid=FORESEEN_PID,
        spec_hash=action.spec_hash,
        run=spec.run,
    )


def _advance_process(
    process: ProcessFacts,
    action: StartProcess | SignalProcess | PauseProcess | ResumeProcess | RewriteTexts,
    now: datetime,
) -> ProcessFacts:
    at = now.timestamp()
    match action:
        case StartProcess():
            return replace(process, state=ProcessState.RUNNING, started_at=at)
        case RewriteTexts(files=files):
            return replace(process, texts_digest=derive_texts_digest(files))
        case PauseProcess():
            return replace(process, state=ProcessState.PAUSED)
        case ResumeProcess():
            return replace(process, state=ProcessState.RUNNING)
        case SignalProcess(number=number):
            code = 128 + number
            return replace(process, state=ProcessState.STOPPED, pid=0, exit_code=code, finished_at=at)
        case _:
            assert_never(action)


def _attach(want: AttachmentWant) -> AttachmentFacts:
    return AttachmentFacts(
        container=want.container,
        host_link=want.host_link,
        bridge=want.bridge,
        host_up=True,
        inside=want.inside,
        inside_up=True,
        mac=want.mac,
        addresses=want.all_addresses,
        gateway=want.gateway,
        ipv6_gateway=want.ipv6_gateway,
        mtu=want.mtu or 1500,
        isolated=want.isolated,
        sublink=want.sublink,
    )


def advance_network(observed: NetworkObserved, action: NetworkAction) -> NetworkObserved:
    """Return what a network will have after `action`."""
    match action:
        case EnsureBridge(want=want):
            facts = BridgeFacts(
                network=want.network,
                name=want.name,
                up=True,
                addresses=want.addresses,
                mtu=want.mtu or 1500,
            )
            others = [each for each in observed.bridges if each.name != want.name]
            return replace(observed, bridges=(*others, facts))
        case DeleteBridge(name=name):
            return replace(observed, bridges=tuple(each for each in observed.bridges if each.name != name))
        case EnsureParent(want=parent):
            made = ParentFacts(
                name=parent.name,
                up=True,
                network=parent.network,
                vlan=parent.vlan,
                mtu=parent.mtu or 1500,
            )
            kept = [each for each in observed.parents if each.name != parent.name]
            return replace(observed, parents=(*kept, made))
        case DeleteParent(name=name):
            return replace(observed, parents=tuple(each for each in observed.parents if each.name != name))
        case EnsureDrivenNetwork() | RemoveDrivenNetwork() | RemoveEndpoint():
            return replace(observed, driven=advance_driven_network(observed.driven, action))
        case _:
            assert_never(action)


def advance_volume(observed: VolumeObserved, action: VolumeAction) -> VolumeObserved:
    """Return what a volume will have after `action`."""
    match action:
        case EnsureDirectory() | CopyVolume():
            return replace(observed, present=True)
        case UnmountVolume():
            return replace(observed, mounted=False, parts=0)
        case DeleteDirectory():
            return replace(observed, present=False)
        case EnsureDrivenVolume() | UnmountDrivenVolume() | RemoveDrivenVolume():
            return replace(observed, driven=advance_driven(observed.driven, action))
        case _:
            assert_never(action)


def advance_image(observed: ImageObserved, action: ImageAction) -> ImageObserved:
    """Return what an image will have after `action`; digests are unknown before an import and stand-ins here."""
    match action:
        case ImportArchive(config=config) | ImportDirectory(config=config):
            return replace(observed, content=_foresee_content(action.image, config))
        case BeginPull():
            return replace(observed, content=_foresee_content(action.want.image, ImageConfig()))
        case CancelPull():
            return replace(observed, pull=None)
        case DeleteContent():
            return ImageObserved()
        case _:
            assert_never(action)


def _foresee_content(image: str, config: ImageConfig) -> ImageFacts:
    stand_in = f"sha256:{image}"
    return ImageFacts(id=stand_in, manifest_digest=stand_in, config=config, layers=(stand_in,), size_bytes=0)
