"""What plugins are asked to make, and what they tell of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from controller.model.ids import Uid


@dataclass(frozen=True, slots=True, kw_only=True)
class DrivenVolume:
    """A volume that the plugin `driver` keeps."""

    driver: str
    uid: Uid
    name: str
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DrivenVolumeFacts:
    """What a plugin tells of a volume; `fault` is why it can't be asked, or makes no volumes; empty when it was asked.

    `current` tells that the plugin knows the volume just as it is wanted, `mounted` that it shows it at a path.
    """

    fault: str = ""
    present: bool = False
    current: bool = False
    mounted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DrivenNetwork:
    """A network that the plugin `driver` makes. `subnets` are CIDR texts, each with the gateway that the plugin provides."""

    driver: str
    uid: Uid
    name: str
    options: Mapping[str, str] = field(default_factory=dict)
    subnets: tuple[tuple[str, str], ...] = ()
    internal: bool = False
    mtu: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DrivenNetworkFacts:
    """What a plugin tells of a network; `fault` and `current` as with volumes. `endpoints` are containers on it."""

    fault: str = ""
    present: bool = False
    current: bool = False
    endpoints: frozenset[Uid] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointWant:
    """A container's place on a plugin's network; `joined` tells that its link is in the container already."""

    driver: str
    network: Uid
    container: Uid
    addresses: tuple[str, ...]
    mac: str
    joined: bool = False
