"""What was observed of the kernel and the disk; nothing here is wished for.

Times are seconds since the epoch (CLOCK_REALTIME) unless a name says otherwise.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from controller.model.ids import Uid
from controller.model.image import ImageConfig
from controller.model.network_drivers import Sublink, Vlan


class ProcessState(StrEnum):
    """States of the OCI runtime specification, and paused."""

    CREATED = "created"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessFacts:
    """A container's process as the runtime and conmon know it.

    `pid` is in the daemon's pid namespace, 0 once stopped. `exit_code` is None while unknown or not ended
    (128+N after signal N). `spec_hash` and `run` are those of the ProcessWant it was created from.
    `started_at` is None until start. `error` is why the runtime could not start it, empty otherwise.
    `network_identity` is that of its network namespace, 0 when it is not known. `texts_digest` names the texts that it
    was given last as files (`oci.files.derive_texts_digest`), empty when that is not known. `monitored` is false for one
    that lives without its monitor: its exit code will not be known, and what it writes goes nowhere.
    """

    uid: Uid
    state: ProcessState
    pid: int = 0
    spec_hash: str = ""
    run: int = 0
    started_at: float | None = None
    finished_at: float | None = None
    exit_code: int | None = None
    oom_killed: bool = False
    error: str = ""
    network_identity: int = 0
    texts_digest: str = ""
    monitored: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RootFacts:
    """A container's overlay. `lower_paths` are those of the live mount, topmost first; empty when not mounted.

    `has_upper` tells whether a writable layer of the container lies on disk, `id_base` whose users its files belong to
    (see RootWant). `staged_paths` are layers of images that are mounted for it besides.
    """

    uid: Uid
    mounted: bool
    lower_paths: tuple[str, ...] = ()
    has_upper: bool = False
    id_base: int = 0
    staged_paths: tuple[str, ...] = ()

    @property
    def held_paths(self) -> tuple[str, ...]:
        """All directories of the host that the container stands on."""
        return (*self.lower_paths, *self.staged_paths)


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeFacts:
    """A volume's data directory: whether something is mounted at it, and in how many places for containers."""

    uid: Uid
    mounted: bool = False
    parts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceNode:
    """A device file of the host: `kind` is c or b, `mode` its permission bits."""

    path: str
    kind: str
    major: int
    minor: int
    mode: int
    uid: int
    gid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFiles:
    """Texts of /etc/passwd and /etc/group as a container will see them; empty when missing."""

    passwd: str = ""
    group: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeFacts:
    """A bridge of this instance. `addresses` are texts with prefix, such as 10.77.0.1/24, IPv4 first.

    Link-local ones, which the kernel gives by itself, are left out. `sound` tells that all else about it, which nobody
    can wish for, is as hold leaves it: its hardware address, spanning tree, VLANs, the host's settings for it.
    """

    network: Uid
    name: str
    up: bool
    addresses: tuple[str, ...] = ()
    mtu: int = 1500
    sound: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ParentFacts:
    """A link that containers' links can hang below.

    `network` is the one that hold has made it for, None for others' links. `vlan` tells which VLAN of which link it is,
    for those that hold has made.
    """

    name: str
    up: bool
    network: Uid | None = None
    vlan: Vlan | None = None
    mtu: int = 1500


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachmentFacts:
    """A veth pair between a container's namespace and a bridge, both ends.

    `bridge` is the bridge that the host's end is a port of, empty if none. `inside` is the name of the
    container's end, empty when it is missing. `gateway` is the next hop of a default route by this link. `isolated`
    tells that the bridge forwards nothing between this port and others that are; None where the firewall sees to it.
    `sublink` tells of a link below a parent instead, which has no end outside: no bridge, and `host_up` is true.
    `addresses` are IPv4 first, without link-local ones of IPv6, which the kernel gives by itself. `sound` tells that all
    else about it, which nobody can wish for, is as hold leaves it: how the bridge treats its port, the outer end's MTU.
    """

    container: Uid
    host_link: str
    bridge: str
    host_up: bool
    sublink: Sublink | None = None
    inside: str = ""
    inside_up: bool = False
    mac: str = ""
    addresses: tuple[str, ...] = ()
    gateway: str = ""
    ipv6_gateway: str = ""
    mtu: int = 1500
    isolated: bool | None = False
    sound: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class NamespaceFacts:
    """A network namespace kept for a container; `loopback_up` tells whether lo is up in it.

    `identity` is the number that the kernel tells it from others by (namespaces(7), the inode of /proc/PID/ns/net).
    `id_base` is the first of the users to whose root it belongs, 0 for the host's.
    """

    container: Uid
    loopback_up: bool
    identity: int = 0
    id_base: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFacts:
    """An image whose layers are all unpacked. `id` is the digest of its configuration, `layers` chain ids, lowest first.

    `created_at`, `architecture` and `os` are what the configuration says; None and empty where it does not.
    """

    id: str
    manifest_digest: str
    config: ImageConfig
    layers: tuple[str, ...]
    size_bytes: int
    created_at: float | None = None
    architecture: str = ""
    os: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FirewallFacts:
    """What is installed: for each table the lines of our chains and our jumps, as the tool prints them, in order.

    `digest` is the digest of the FirewallWant that the installed chains carry, empty when they are missing,
    incomplete or changed by others.
    """

    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NamesFacts:
    """Digest of the zones that are being served, and whether the server is alive and answering."""

    digest: str
    serving: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """What admission must know of the host: routes (CIDR texts) not ours, and listening sockets not ours.

    `listeners` are (protocol, address, port); address is empty for every address.
    `link_names` are links in the host's namespace that are not ours.
    """

    routes: tuple[str, ...] = ()
    listeners: frozenset[tuple[str, str, int]] = field(default=frozenset())
    link_names: frozenset[str] = field(default=frozenset())
