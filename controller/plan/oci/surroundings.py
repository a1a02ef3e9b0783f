"""What a container's configuration depends on beside the container itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from controller.model.container import Container
from controller.model.facts import AccountFiles, DeviceNode
from controller.model.ids import Uid
from controller.model.image import ImageConfig
from controller.model.layout import Layout
from controller.plan.oci.defaults import ContainerDefaults


@dataclass(frozen=True, slots=True, kw_only=True)
class HostTexts:
    """The host's own texts: /etc/resolv.conf, /etc/hosts and its name; what it is and where its init for containers lies.

    `machine` and `kernel_release` are as uname(2) tells them; `init_path` is empty when there is none. `defaults` are
    those of the daemon's settings.
    """

    resolv_conf: str = ""
    hosts: str = ""
    hostname: str = ""
    machine: str = ""
    kernel_release: str = ""
    init_path: str = ""
    defaults: ContainerDefaults = field(default_factory=ContainerDefaults)


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Another container's process: its identity, and its pid in the daemon's pid namespace."""

    uid: Uid
    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Everything else that `render_process` needs.

    `image_config` is empty for a host directory as root. `volumes` maps names of volumes to uids; every volume
    that the container mounts must be there. `nameservers` are addresses that answer on the container's networks
    (its first network's gateway); when there are none the host's resolv.conf is taken over. `devices` are those found
    at each path of the host that `devices.list_device_sources` names. `network_peer` is the container whose network is
    used, `peers` are running ones by name: every one whose namespaces are joined must be there. `linked` are those
    that links name, as far as they exist. `gateway` is an address of the host on the container's networks.
    `mounted_volumes` are the names of those volumes at whose directory something else is mounted, `mounted_images` maps
    images that the container mounts to the directories of their layers, topmost first.
    `spec_hash` is the digest to remember the process by; derived from the spec when empty.
    """

    layout: Layout
    image_config: ImageConfig = field(default_factory=ImageConfig)
    accounts: AccountFiles = field(default_factory=AccountFiles)
    volumes: Mapping[str, Uid] = field(default_factory=dict)
    mounted_volumes: frozenset[str] = frozenset()
    mounted_images: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    nameservers: tuple[str, ...] = ()
    host: HostTexts = field(default_factory=HostTexts)
    devices: Mapping[str, tuple[DeviceNode, ...]] = field(default_factory=dict)
    network_peer: Container | None = None
    peers: Mapping[str, Peer] = field(default_factory=dict)
    linked: Mapping[str, Container] = field(default_factory=dict)
    gateway: str = ""
    spec_hash: str = ""
