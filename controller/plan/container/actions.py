"""The steps that a container can need."""

from dataclasses import dataclass

from controller.model.container import Container
from controller.model.ids import Uid
from controller.model.image import ImageConfig
from controller.model.limits import LimitsWant
from controller.model.wants import AttachmentWant, RootWant, VolumeWant
from controller.plan.limits import describe_limits


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsureNamespace:
    """Make the network namespace, or bring its loopback up; `id_base` is that of the container's root."""

    uid: Uid
    id_base: int = 0

    def describe(self) -> str:
        return "make network namespace"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteNamespace:
    """Drop the network namespace and the links in it."""

    uid: Uid

    def describe(self) -> str:
        return "delete network namespace"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attach:
    """Join a network, or mend what differs."""

    network_name: str
    want: AttachmentWant

    def describe(self) -> str:
        want = self.want
        gateways = " and ".join(filter(None, (want.gateway, want.ipv6_gateway)))
        route = f", default route by {gateways}" if gateways else ""
        addresses = " and ".join(want.all_addresses)
        return f"attach {want.inside} to network {self.network_name} with {addresses} ({want.mac}){route}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Detach:
    """Leave a network."""

    uid: Uid
    host_link: str
    inside: str

    def describe(self) -> str:
        return f"detach {self.inside or self.host_link}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefillVolume:
    """Copy what the image has at the mount's target into a volume that is still empty."""

    volume: VolumeWant
    volume_name: str
    source: RootWant
    path: str

    def describe(self) -> str:
        return f"fill volume {self.volume_name} from {self.path} of the image if empty"


@dataclass(frozen=True, slots=True, kw_only=True)
class MountVolume:
    """Mount what belongs at the directory of a volume: by its options, or what a plugin shows."""

    volume: VolumeWant
    volume_name: str

    def describe(self) -> str:
        kind = self.volume.mount.kind if self.volume.mount is not None else "nothing"
        kind = f"what plugin {self.volume.driven.driver} shows" if self.volume.driven is not None else kind
        return f"mount {kind} of volume {self.volume_name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MountRoot:
    """Mount the root file system."""

    want: RootWant

    def describe(self) -> str:
        return "mount root file system"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnmountRoot:
    """Unmount the root file system."""

    uid: Uid

    def describe(self) -> str:
        return "unmount root file system"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteRoot:
    """Remove the writable layer and the logs."""

    uid: Uid

    def describe(self) -> str:
        return "delete writable layer"


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateProcess:
    """Create the process; its configuration is rendered from these values and the accounts found in `root`.

    `spec_hash` is the digest of what needs a new process to change: mounts that the image wants are not part of it.
    `peers` are containers by name whose processes have to run, `linked` those that links name, `network_peer` the one
    whose network is used. `gateway` is an address of the host on the container's networks, empty when there is none.
    """

    container: Container
    spec_hash: str
    image_config: ImageConfig
    root: RootWant
    volumes: tuple[tuple[str, Uid], ...]
    nameservers: tuple[str, ...]
    mounted_volumes: frozenset[str] = frozenset()
    mounted_images: tuple[tuple[str, tuple[str, ...]], ...] = ()
    gateway: str = ""
    network_peer: Container | None = None
    peers: tuple[tuple[str, Uid], ...] = ()
    linked: tuple[Container, ...] = ()

    def describe(self) -> str:
        return "create process"


@dataclass(frozen=True, slots=True, kw_only=True)
class StartProcess:
    """Let the created process run its program."""

    uid: Uid

    def describe(self) -> str:
        return "start process"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalProcess:
    """Send a signal to the process."""

    uid: Uid
    signal: str
    number: int

    def describe(self) -> str:
        return f"send {self.signal}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseProcess:
    """Freeze the container's processes."""

    uid: Uid

    def describe(self) -> str:
        return "freeze processes"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeProcess:
    """Thaw the container's processes."""

    uid: Uid

    def describe(self) -> str:
        return "thaw processes"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteProcess:
    """Remove the process or its remains."""

    uid: Uid

    def describe(self) -> str:
        return "delete process"


@dataclass(frozen=True, slots=True, kw_only=True)
class RewriteTexts:
    """Give the process new texts for /etc/hosts, /etc/resolv.conf and /etc/hostname.

    `inside` tells that names are to be served in the container's own namespace from now on.
    """

    uid: Uid
    files: tuple[tuple[str, str], ...]
    inside: bool = False

    def describe(self) -> str:
        return "rewrite hosts and resolv.conf"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyLimits:
    """Set the limits of the container's cgroups."""

    uid: Uid
    want: LimitsWant

    def describe(self) -> str:
        return f"set limits: {describe_limits(self.want)}"


LinkAction = EnsureNamespace | DeleteNamespace | Attach | Detach
RootAction = PrefillVolume | MountVolume | MountRoot | UnmountRoot | DeleteRoot
ProcessAction = (
    CreateProcess
    | StartProcess
    | SignalProcess
    | PauseProcess
    | ResumeProcess
    | DeleteProcess
    | RewriteTexts
    | ApplyLimits
)
ContainerAction = LinkAction | RootAction | ProcessAction
