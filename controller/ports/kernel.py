"""Every port of the kernel and the disk together, as the loops are given them."""

from collections.abc import Callable
from dataclasses import dataclass

from controller.model.facts import DeviceNode
from controller.plan.oci.surroundings import HostTexts
from controller.ports.host import KernelEvents
from controller.ports.network import Attachments, Bridges, Firewall, NameServer, Namespaces, Parents
from controller.ports.plugins import Drivers
from controller.ports.probes import Probes
from controller.ports.processes import Freezer, Limits, Processes, Roots, Texts
from controller.ports.registry import Pulls
from controller.ports.storage import Images, VolumeContents, VolumeDirectories


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelPorts:
    """What the loops act through. `read_host_texts` returns the host's resolv.conf, hosts and name as they are now.

    `read_devices` returns the device at a path of the host, or those below a directory; Refused when there is none.
    """

    processes: Processes
    texts: Texts
    freezer: Freezer
    probes: Probes
    limits: Limits
    roots: Roots
    namespaces: Namespaces
    bridges: Bridges
    parents: Parents
    attachments: Attachments
    firewall: Firewall
    names: NameServer
    volumes: VolumeDirectories
    volume_contents: VolumeContents
    images: Images
    pulls: Pulls
    drivers: Drivers
    events: KernelEvents
    read_host_texts: Callable[[], HostTexts]
    read_devices: Callable[[str], tuple[DeviceNode, ...]]
