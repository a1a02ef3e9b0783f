"""Links that plugins give: what is theirs to give is moved into the container, what the host uses stays."""

import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from controller.errors import Conflict, NotFound, Refused
from controller.kernel.network.attachments import KernelAttachments
from controller.kernel.network.container_links import ContainerLinks
from controller.kernel.network.given_links import GivenLinks
from controller.kernel.network.marked_links import MarkedLinks
from controller.kernel.network.sublinks import KernelSublinks
from controller.kernel.threads import run_in_netns
from controller.model.ids import Uid
from controller.model.names import derive_host_link, derive_mac
from controller.model.plugins import DrivenNetwork, DrivenNetworkFacts, EndpointWant
from controller.model.wants import AttachmentWant
from controller.plan.container.links import is_attached
from controller.ports import Attachments
from tests.contract.network import WEB, LinuxPorts, linux_network

LOOM = Uid("7" * 32)
WANT = AttachmentWant(
    container=WEB,
    network=LOOM,
    host_link=derive_host_link(WEB, LOOM),
    bridge="",
    inside="eth0",
    mac=derive_mac(WEB, LOOM),
    address="10.95.0.9/24",
    gateway="10.95.0.1",
    driver="odd",
)


class Driver:
    """A plugin that gives the link `link`, and knows whether one has joined."""

    def __init__(self) -> None:
        self.link = "given0"
        self.joined: list[bool] = []

    async def ensure_endpoint(self, want: EndpointWant) -> str:
        self.joined.append(want.joined)
        return "" if want.joined else self.link

    async def read(self, network: DrivenNetwork) -> DrivenNetworkFacts:
        raise NotImplementedError(network)

    async def ensure(self, network: DrivenNetwork) -> None:
        raise NotImplementedError(network)

    async def remove(self, network: DrivenNetwork) -> None:
        raise NotImplementedError(network)

    async def remove_endpoint(self, network: DrivenNetwork, container: Uid) -> None:
        raise NotImplementedError(network, container)


def ip(*arguments: str) -> str:
    return subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True).stdout


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[LinuxPorts]:
    """A container's namespace."""
    async with linux_network(tmp_path) as ports:
        await ports.namespaces.ensure(WEB)
        yield ports


@pytest.fixture
def outer() -> Iterator[str]:
    """The plugin's end of the veth pair whose other end is given0."""
    ip("link", "add", "outer0", "up", "type", "veth", "peer", "name", "given0")
    yield "outer0"
    for link in ("outer0", "br0"):
        subprocess.run(["ip", "link", "delete", link], check=False, capture_output=True)


@pytest.fixture
def driver() -> Driver:
    return Driver()


@pytest.fixture
def links(host: LinuxPorts, driver: Driver) -> Attachments:
    layout, insides = host.layout, host.insides
    marked = MarkedLinks(layout=layout, insides=insides)
    return ContainerLinks(
        pairs=KernelAttachments(layout=layout, insides=insides),
        sublinks=KernelSublinks(layout=layout, insides=insides, marked=marked),
        given=GivenLinks(layout=layout, insides=insides, drivers=driver, marked=marked),
        marked=marked,
    )


@pytest.mark.usefixtures("outer")
async def test_a_link_is_moved_once_and_kept_as_wanted(links: Attachments, driver: Driver) -> None:
    await links.ensure(WANT)
    (facts,) = await links.read(WEB)
    assert is_attached(WANT, facts)
    assert "given0" not in ip("-o", "link")
    await links.ensure(WANT)
    assert await links.list() == (facts,)
    assert driver.joined == [False, True]
    await links.delete(WEB, WANT.host_link)
    assert await links.read(WEB) == ()
    await links.delete(WEB, WANT.host_link)


@pytest.mark.parametrize(
    ("link", "commands", "words"),
    [
        ("lo", [], "lo, which is a device of the machine"),
        ("given0", [["address", "add", "192.0.2.1/24", "dev", "given0"]], "which has addresses"),
        (
            "given0",
            [["link", "add", "br0", "type", "bridge"], ["link", "set", "given0", "master", "br0"]],
            "a port",
        ),
    ],
)
@pytest.mark.usefixtures("outer")
async def test_a_link_that_the_host_uses_stays(
    links: Attachments, driver: Driver, link: str, commands: list[list[str]], words: str
) -> None:
    for command in commands:
        ip(*command)
    driver.link, before = link, ip("-o", "link")
    with pytest.raises(Refused, match=words):
        await links.ensure(WANT)
    assert ip("-o", "link") == before
    assert await links.read(WEB) == ()


async def test_a_link_that_is_not_there_is_told(links: Attachments) -> None:
    with pytest.raises(NotFound, match="plugin odd gives link given0, which the host does not have"):
        await links.ensure(WANT)


@pytest.mark.usefixtures("outer")
async def test_a_name_that_the_container_has_taken_is_left_alone(
    host: LinuxPorts, links: Attachments
) -> None:
    run_in_netns(host.layout.netns_path(WEB), lambda: ip("link", "add", "eth0", "type", "bridge"))
    with pytest.raises(Conflict, match="eth0"):
        await links.ensure(WANT)
    assert "given0" in ip("-o", "link")
