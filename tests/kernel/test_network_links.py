"""Links and namespaces beyond the contract: many at once, what containers find inside, what a crash leaves."""

import asyncio
import subprocess
import time
from pathlib import Path

import pytest

from controller.errors import Conflict
from controller.kernel.network.insides import Insides
from controller.kernel.network.namespaces import KernelNamespaces
from controller.kernel.subprocesses import Runner
from controller.model.ids import Uid
from controller.model.names import derive_host_link
from controller.plan.container.links import is_attached
from tests.contract.network import SHOP_BRIDGE, LinuxPorts, derive_want, linux_network
from tests.kernel.network_host import CALLER, PATIENCE_S, SHOP, WEB, NetworkHost, run

CROWD = [derive_want(Uid(f"{n:032x}"), SHOP_BRIDGE, f"10.77.0.{n}/24") for n in range(2, 62)]


async def wait_until_detached(ports: LinuxPorts) -> None:
    """Return when the kernel has removed the links of namespaces that were dropped."""
    deadline_s = time.monotonic() + PATIENCE_S
    while await ports.attachments.list():
        assert time.monotonic() < deadline_s


@pytest.mark.usefixtures("host_left_as_found")
async def test_many_are_made_and_dropped_at_once(tmp_path: Path) -> None:
    async with linux_network(tmp_path) as ports:
        await ports.bridges.ensure(SHOP_BRIDGE)

        async def make(number: int) -> None:
            await ports.namespaces.ensure(CROWD[number].container)
            await ports.attachments.ensure(CROWD[number])

        async with asyncio.TaskGroup() as tasks:
            for number in range(len(CROWD)):
                tasks.create_task(make(number))
        facts = {each.container: each for each in await ports.attachments.list()}
        assert all(is_attached(want, facts.get(want.container)) for want in CROWD)
        assert len(await ports.namespaces.list()) == len(CROWD)
        async with asyncio.TaskGroup() as tasks:
            for want in CROWD:
                tasks.create_task(ports.namespaces.delete(want.container))
        await wait_until_detached(ports)


@pytest.mark.usefixtures("host_left_as_found")
async def test_another_daemon_finds_all_and_can_remove_it(tmp_path: Path) -> None:
    async with linux_network(tmp_path) as ports:
        await ports.bridges.ensure(SHOP_BRIDGE)
        await ports.namespaces.ensure(CROWD[0].container)
        await ports.attachments.ensure(CROWD[0])
        ports.insides.forget(CROWD[0].container)  # as the end of the daemon does
        successor = KernelNamespaces(
            layout=ports.layout, insides=Insides(layout=ports.layout), runner=Runner()
        )
        assert [facts.container for facts in await successor.list()] == [CROWD[0].container]
        await successor.delete(CROWD[0].container)
        await wait_until_detached(ports)


async def test_a_container_has_no_ipv6(network: NetworkHost) -> None:
    netns = f"--net={network.layout.netns_path(WEB)}"
    lines = await asyncio.to_thread(
        subprocess.run, ["nsenter", netns, "ip", "-6", "address"], check=True, capture_output=True
    )
    assert lines.stdout == b""


async def test_a_connection_that_nobody_has_any_more_keeps_no_link(network: NetworkHost) -> None:
    """What it sent last is never answered, so the kernel keeps it, and the namespace with it, for minutes."""
    with network.open_socket(CALLER) as listener:
        listener.bind(("10.77.0.3", 80))
        listener.listen()
        client = network.open_socket(WEB)
        client.connect(("10.77.0.3", 80))
        client.sendall(b"?")
        server, _ = listener.accept()
    await network.ports.attachments.delete(CALLER, derive_host_link(CALLER, SHOP.network))
    client.sendall(b"!")
    client.close()
    await network.ports.namespaces.delete(WEB)
    assert not [link for link in await network.ports.attachments.list() if link.container == WEB]
    server.close()


async def test_a_link_of_others_keeps_its_name(network: NetworkHost) -> None:
    want = derive_want(WEB, SHOP, "10.77.0.2/24")
    await network.ports.attachments.delete(WEB, want.host_link)
    network.ports.add_foreign_link(want.host_link)
    with pytest.raises(Conflict):
        await network.ports.attachments.ensure(want)
    await network.ports.attachments.delete(WEB, want.host_link)
    run("ip", "link", "show", want.host_link)


async def test_half_a_namespace_is_made_whole(network: NetworkHost) -> None:
    """A daemon that died between making the file and mounting the namespace on it."""
    uid = CROWD[0].container
    await asyncio.to_thread(Path(network.layout.netns_path(uid)).touch)
    assert await network.ports.namespaces.read(uid) is None
    assert uid not in {facts.container for facts in await network.ports.namespaces.list()}
    await network.ports.namespaces.ensure(uid)
    assert await network.ports.namespaces.read(uid) is not None
    await network.ports.namespaces.delete(uid)


async def test_a_namespace_in_use_is_dropped_all_the_same(network: NetworkHost) -> None:
    with network.open_socket(WEB):
        await network.ports.namespaces.delete(WEB)
        assert await network.ports.namespaces.read(WEB) is None
        await network.restore()
        want = derive_want(WEB, SHOP, "10.77.0.2/24")
        (facts,) = await network.ports.attachments.read(WEB)
        assert is_attached(want, facts)
