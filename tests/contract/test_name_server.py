"""What every adapter of NameServer promises."""

import asyncio
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest

from controller.model.facts import NamesFacts
from controller.model.wants import NamedHost, NamesWant, Zone
from tests.contract.network import BACK, DB, SHOP, WEB, NetworkPorts, linux_network

ZONE = Zone(
    network=SHOP,
    network_name="shop",
    gateways=("10.77.0.1",),
    hosts=(NamedHost(container=WEB, addresses=("10.77.0.2",), names=("web",)),),
)
OTHER = Zone(network=BACK, network_name="back", gateways=("10.78.0.1",))
FULLER = replace(OTHER, hosts=(*ZONE.hosts, NamedHost(container=DB, addresses=("10.78.0.3",), names=("db",))))


async def test_a_fresh_host_serves_nothing(network: NetworkPorts) -> None:
    assert await network.names.read() == NamesFacts(digest="", serving=False)


async def test_what_was_published_is_served(network: NetworkPorts) -> None:
    for want in (
        NamesWant(digest="one", zones=(ZONE,)),
        NamesWant(digest="two", zones=(ZONE, OTHER)),
        NamesWant(digest="two", zones=(ZONE, OTHER)),
        NamesWant(digest="three", zones=(ZONE, FULLER)),
        NamesWant(digest="four", zones=(OTHER,)),
    ):
        await network.names.publish(want)
        assert await network.names.read() == NamesFacts(digest=want.digest, serving=True)


@pytest.mark.kernel
async def test_a_server_that_outlived_its_directory_gives_way(tmp_path: Path) -> None:
    async with linux_network(tmp_path) as network:
        await network.names.publish(NamesWant(digest="one", zones=(ZONE,)))
        pid = int(Path(network.layout.dns_path, "server.pid").read_text())
        shutil.rmtree(network.layout.dns_path)
        await network.names.publish(NamesWant(digest="two", zones=(ZONE,)))
        assert await network.names.read() == NamesFacts(digest="two", serving=True)
        until = time.monotonic() + 20
        while Path(f"/proc/{pid}/exe").exists():
            assert time.monotonic() < until
            await asyncio.sleep(0.01)


async def test_no_server_runs_without_zones(network: NetworkPorts) -> None:
    await network.names.publish(NamesWant(digest="one", zones=(ZONE,)))
    await network.names.publish(NamesWant(digest="none"))
    assert await network.names.read() == NamesFacts(digest="none", serving=False)
    await network.names.publish(NamesWant(digest="one", zones=(ZONE,)))
    assert await network.names.read() == NamesFacts(digest="one", serving=True)
