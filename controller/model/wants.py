"""What adapters are asked to make: complete values, so that no step needs the result of an earlier one."""

from dataclasses import dataclass, field

from controller.model.ids import Uid
from controller.model.logs import LogSettings
from controller.model.network_drivers import Sublink, Vlan
from controller.model.plugins import DrivenVolume
from controller.model.ports import PortMapping


@dataclass(frozen=True, slots=True, kw_only=True)
class RootWant:
    """A container's root: an overlay with a writable layer of its own over `lower_paths` (topmost first).

    With `id_base` its users 0 to 65535 are those of the host from there on.
    """

    uid: Uid
    lower_paths: tuple[str, ...]
    id_base: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedMemoryWant:
    """A file system in memory at `path` of the host."""

    path: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeMount:
    """What is mounted at a volume's data directory while somebody uses it: arguments of mount(8)."""

    kind: str
    device: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeWant:
    """A volume to work on, with what is mounted at its data directory: by options, or shown by a plugin (`driven`).

    Neither for a plain directory.
    """

    uid: Uid
    mount: VolumeMount | None = None
    driven: DrivenVolume | None = None

    @property
    def is_mounted(self) -> bool:
        """Whether something is mounted at the data directory while the volume is used."""
        return self.mount is not None or self.driven is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubpathWant:
    """The file or directory `subpath` of `root_path` at `path` of the host; no link leads out of `root_path`.

    With `id_base`, users 0 to 65535 of its files are shown as those from there on, and the other way round.
    `is_mounted` tells that something has to be mounted at `root_path` by now: what lies below it is nobody's.
    """

    path: str
    root_path: str
    subpath: str
    id_base: int = 0
    is_mounted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ShallowWant:
    """What lies at `source_path` of the host, without the mounts below it, at `path` of the host."""

    path: str
    source_path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageWant:
    """What an image has, or the file or directory `subpath` of it, at `path` of the host, not to be written to.

    `lower_paths` are its layers, topmost first. With `id_base`, its users are shown as those from there on.
    """

    path: str
    lower_paths: tuple[str, ...]
    subpath: str = ""
    id_base: int = 0


StagedWant = SharedMemoryWant | SubpathWant | ShallowWant | ImageWant


@dataclass(frozen=True, slots=True, kw_only=True)
class LogWant:
    """What is asked of the log, where the adapter's defaults are to be left.

    `image` is the name to mark entries with; the labels and variables, the image's among them, are there to be chosen from.
    """

    settings: LogSettings = field(default_factory=LogSettings)
    image: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    environment: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessWant:
    """A process to create (not yet to start).

    `config_json` is the whole OCI configuration; `files` are texts by name to lie in the bundle directory
    (hosts, resolv.conf, hostname), which the configuration mounts; `directories` are absolute paths inside
    the root to make when missing (the working directory), `host_directories` absolute paths of the host.
    `runtime` is crun, runc or a path; empty lets the adapter choose. `staged` is mounted on the host for as long as
    the process is there. `propagations` are sources of bind mounts with `shared` or `slave`: how they have to be
    mounted on the host for later mounts to spread. `id_base` is that of the container's root (see RootWant).
    """

    uid: Uid
    name: str
    run: int
    spec_hash: str
    config_json: str
    files: tuple[tuple[str, str], ...] = ()
    directories: tuple[str, ...] = ()
    host_directories: tuple[str, ...] = ()
    staged: tuple[StagedWant, ...] = ()
    propagations: tuple[tuple[str, str], ...] = ()
    id_base: int = 0
    runtime: str = ""
    tty: bool = False
    stdin_open: bool = False
    log: LogWant = LogWant()


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeWant:
    """A bridge, up, with exactly these addresses (with prefix), empty for a family that the network lacks.

    `mtu` None leaves the kernel's default.
    """

    network: Uid
    name: str
    address: str
    ipv6_address: str = ""
    mtu: int | None = None

    @property
    def addresses(self) -> tuple[str, ...]:
        """Those that there are, IPv4 first."""
        return tuple(filter(None, (self.address, self.ipv6_address)))


@dataclass(frozen=True, slots=True, kw_only=True)
class ParentWant:
    """A link, up, that containers' links hang below: a VLAN of another link, or one that leads nowhere (dummy)."""

    network: Uid
    name: str
    vlan: Vlan | None = None
    mtu: int | None = None


ON_LINK = "0.0.0.0"  # noqa: S104 - no address to bind to: it stands for a next hop that is not there
IPV6_ON_LINK = "::"
"""Gateways of default routes that lead out by the link itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachmentWant:
    """A veth pair from a container's namespace to a bridge, both ends up.

    `inside` is the name in the container (eth0), `address` has a prefix, `gateway` is set on the attachment
    that carries the default route and empty on others. An `isolated` one reaches the host, but no other isolated one.
    With `sublink` it is a link below a parent instead, without an end outside: `bridge` is empty, and so is `mac` where
    the parent's is shared. With `driver` the link comes from that plugin, and has no end outside that hold knows. `ipv6_address` and `ipv6_gateway` are the same for IPv6; a family that the network lacks has
    no address. `link_local` are addresses with prefix besides.
    """

    container: Uid
    network: Uid
    host_link: str
    bridge: str
    inside: str
    mac: str
    address: str
    gateway: str = ""
    ipv6_address: str = ""
    ipv6_gateway: str = ""
    mtu: int | None = None
    isolated: bool = False
    sublink: Sublink | None = None
    driver: str = ""
    link_local: tuple[str, ...] = ()

    @property
    def addresses(self) -> tuple[str, ...]:
        """Those of the network's subnets that there are, IPv4 first."""
        return tuple(filter(None, (self.address, self.ipv6_address)))

    @property
    def all_addresses(self) -> tuple[str, ...]:
        """The link-local ones, too."""
        return (*self.addresses, *self.link_local)


@dataclass(frozen=True, slots=True, kw_only=True)
class FirewallNetwork:
    """What the firewall must know of one bridge network; what a family has is empty without it.

    A `crowded` one has, or may soon have, further bridges joined to the first.
    """

    bridge: str
    subnet: str
    gateway: str
    ipv6_subnet: str = ""
    ipv6_gateway: str = ""
    internal: bool = False
    masquerade: bool = True
    inter_container: bool = True
    crowded: bool = False
    dns: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class FirewallPort:
    """One published port and the container address, of one family, that it leads to, on the network of `bridge`."""

    mapping: PortMapping
    bridge: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FirewallWant:
    """All of the host's rules of one instance, ready for `iptables-restore --noflush`; `digest` names the contents."""

    digest: str
    text: str


INSIDE_RESOLVER = "127.0.0.11"
"""Where names are served inside namespaces of containers that reach no address of the host, as with Docker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedHost:
    """A container on a network: `names` lead to `addresses` (of either family), addresses back to the first name.

    `upstreams` are asked about what no network of the container's knows; the host's resolvers where there are none. An
    `inside` one reaches no gateway of the host's, and is served in its own namespace.
    """

    container: Uid
    addresses: tuple[str, ...]
    names: tuple[str, ...]
    upstreams: tuple[str, ...] = ()
    inside: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """Names served on one network: the server listens on `gateways`, each container once in `hosts`.

    Containers are told apart by their address: each container's own networks decide what it can ask for. Addresses of
    `subnets` are asked about nowhere else. An `internal` network forwards no question.
    """

    network: Uid
    network_name: str
    gateways: tuple[str, ...]
    subnets: tuple[str, ...] = ()
    hosts: tuple[NamedHost, ...] = ()
    internal: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NamesWant:
    """All zones of one instance; `digest` names the contents."""

    digest: str
    zones: tuple[Zone, ...] = field(default=())

    def list_inside(self) -> list[NamedHost]:
        """Return each container that is served in its own namespace, once."""
        hosts = (host for zone in self.zones for host in zone.hosts if host.inside)
        return list({host.container: host for host in hosts}.values())
