"""What a container's configuration depends on beside the container itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from controller.model.facts import AccountFiles
from controller.model.ids import Uid
from controller.model.image import ImageConfig
from controller.model.layout import Layout


@dataclass(frozen=True, slots=True, kw_only=True)
class HostTexts:
    """The host's own texts: /etc/resolv.conf, /etc/hosts and its name."""

    resolv_conf: str = ""
    hosts: str = ""
    hostname: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Everything else that `render_process` needs.

    `image_config` is empty for a host directory as root. `volumes` maps names of volumes to uids; every volume
    that the container mounts must be there. `nameservers` are addresses that answer on the container's networks
    (its first network's gateway); when there are none the host's resolv.conf is taken over.
    """

    layout: Layout
    image_config: ImageConfig = field(default_factory=ImageConfig)
    accounts: AccountFiles = field(default_factory=AccountFiles)
    volumes: Mapping[str, Uid] = field(default_factory=dict)
    nameservers: tuple[str, ...] = ()
    host: HostTexts = field(default_factory=HostTexts)
