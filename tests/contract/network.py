"""The network ports that the suites are run on: those of the fake machine, and Linux's."""

import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from controller.kernel import syscalls
from controller.kernel.mountinfo import read_mounts
from controller.kernel.names.name_server import KernelNameServer
from controller.kernel.network.attachments import KernelAttachments
from controller.kernel.network.bridges import KernelBridges
from controller.kernel.network.container_links import ContainerLinks
from controller.kernel.network.firewall import KernelFirewall
from controller.kernel.network.given_links import GivenLinks
from controller.kernel.network.insides import Insides
from controller.kernel.network.marked_links import MarkedLinks
from controller.kernel.network.namespaces import KernelNamespaces
from controller.kernel.network.parents import KernelParents
from controller.kernel.network.rule_generations import RuleGenerations
from controller.kernel.network.sublinks import KernelSublinks
from controller.kernel.subprocesses import Runner
from controller.model.ids import Uid
from controller.model.layout import Layout
from controller.model.names import derive_host_link, derive_mac
from controller.model.wants import AttachmentWant, BridgeWant, NamesWant
from controller.ports import Attachments, Bridges, Firewall, NameServer, Namespaces, Parents
from tests.fakes.drivers import no_drivers
from tests.fakes.kernel import make_ports
from tests.fakes.steps import Steps
from tests.fakes.world import FakeWorld

INSTANCE = "contract"
WEB, DB, SHOP, BACK = (Uid(digit * 32) for digit in "1234")
"""Two containers, two networks."""
SHOP_BRIDGE = BridgeWant(network=SHOP, name="hold-shop", address="10.77.0.1/24")
BACK_BRIDGE = BridgeWant(network=BACK, name="hold-back", address="10.78.0.1/24")


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkPorts:
    """The ports, and what people do to a host behind their back."""

    namespaces: Namespaces
    bridges: Bridges
    parents: Parents
    attachments: Attachments
    firewall: Firewall
    names: NameServer
    add_foreign_link: Callable[[str], None]
    add_parent: Callable[[str], None]
    """Adds a link of others that links can hang below."""
    delete_link: Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class LinuxPorts(NetworkPorts):
    """Linux's, with what only they have."""

    layout: Layout
    insides: Insides
    name_server: KernelNameServer
    generations: RuleGenerations


def derive_want(container: Uid, bridge: BridgeWant, address: str, *, inside: str = "eth0") -> AttachmentWant:
    """Return an attachment as the planner asks for it, with the default route by the bridge."""
    return AttachmentWant(
        container=container,
        network=bridge.network,
        host_link=derive_host_link(container, bridge.network),
        bridge=bridge.name,
        inside=inside,
        mac=derive_mac(container, bridge.network),
        address=address,
        gateway=bridge.address.partition("/")[0],
    )


@asynccontextmanager
async def fake_network(directory: Path) -> AsyncIterator[NetworkPorts]:
    """Ports of a machine in memory."""
    del directory
    world = FakeWorld()
    ports = make_ports(world, Steps())

    def add_foreign_link(name: str) -> None:
        world.foreign[name] = "someone"

    yield NetworkPorts(
        namespaces=ports.namespaces,
        bridges=ports.bridges,
        parents=ports.parents,
        attachments=ports.attachments,
        firewall=ports.firewall,
        names=ports.names,
        add_foreign_link=add_foreign_link,
        add_parent=world.plug_parent,
        delete_link=world.lose_parent,
    )


@asynccontextmanager
async def linux_network(directory: Path) -> AsyncIterator[LinuxPorts]:
    """Ports of Linux, in a test host; nothing of theirs is left at the end."""
    layout = Layout(root_path=str(directory / "root"), run_path=str(directory / "run"), instance=INSTANCE)
    insides, runner, generations = Insides(layout=layout), Runner(), RuleGenerations()
    marked = MarkedLinks(layout=layout, insides=insides)
    foreign: list[str] = []

    def add_foreign_link(name: str) -> None:
        subprocess.run(["ip", "link", "add", name, "type", "bridge"], check=True)
        foreign.append(name)

    def add_parent(name: str) -> None:
        command = ["ip", "link", "add", name, "up", "type", "veth", "peer", "name", f"{name}-end"]
        subprocess.run(command, check=True)
        subprocess.run(["ip", "link", "set", f"{name}-end", "up"], check=True)
        foreign.append(name)

    def delete_link(name: str) -> None:
        subprocess.run(["ip", "link", "delete", name], check=True)

    resolv_conf_path = str(directory / "resolv.conf")
    name_server = KernelNameServer(layout=layout, runner=runner, resolv_conf_path=resolv_conf_path)
    ports = LinuxPorts(
        namespaces=KernelNamespaces(layout=layout, insides=insides, runner=runner),
        bridges=KernelBridges(layout=layout),
        parents=KernelParents(layout=layout),
        attachments=ContainerLinks(
            pairs=KernelAttachments(layout=layout, insides=insides),
            sublinks=KernelSublinks(layout=layout, insides=insides, marked=marked),
            given=GivenLinks(layout=layout, insides=insides, drivers=no_drivers().networks, marked=marked),
            marked=marked,
        ),
        firewall=KernelFirewall(layout=layout, runner=runner, generations=generations),
        names=name_server,
        add_foreign_link=add_foreign_link,
        add_parent=add_parent,
        delete_link=delete_link,
        layout=layout,
        insides=insides,
        name_server=name_server,
        generations=generations,
    )
    try:
        yield ports
    finally:
        await ports.names.publish(NamesWant(digest=""))
        await ports.firewall.delete()
        await _delete_links(ports)
        _clear_host(layout, foreign)


def _clear_host(layout: Layout, foreign: list[str]) -> None:
    for name in foreign:
        subprocess.run(["ip", "link", "delete", name], check=False, capture_output=True)
    if any(mount.target == layout.netns_dir_path for mount in read_mounts()):
        syscalls.umount2(layout.netns_dir_path, syscalls.MNT_DETACH)


async def _delete_links(ports: NetworkPorts) -> None:
    for link in await ports.attachments.list():
        await ports.attachments.delete(link.container, link.host_link)
    for namespace in await ports.namespaces.list():
        await ports.namespaces.delete(namespace.container)
    for bridge in await ports.bridges.list():
        await ports.bridges.delete(bridge.network)
    for parent in await ports.parents.list():
        if parent.network is not None:
            await ports.parents.delete(parent.network, parent.name)
