"""What the kernel tells of changes behind our back, and that looking again then shows them."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from controller.kernel.network.firewall import KernelFirewall
from controller.kernel.network.network_events import NetworkEvents
from controller.kernel.subprocesses import Runner
from controller.model.ids import Uid
from controller.model.names import derive_chain, derive_host_link
from controller.model.wants import NamesWant, Zone
from controller.ports import Hint, HintType
from tests.contract.network import INSTANCE
from tests.kernel.dual_host import DualHost
from tests.kernel.network_host import (
    BACK,
    CALLER,
    PATIENCE_S,
    SHOP,
    WEB,
    NetworkHost,
    publish,
    render_rules,
    run,
)

LINK = derive_host_link(WEB, SHOP.network)
ATTACHMENT = Hint(type=HintType.ATTACHMENT, subject=WEB)
BRIDGE = Hint(type=HintType.BRIDGE, subject=SHOP.network)
FIREWALL = Hint(type=HintType.FIREWALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ear:
    """Hears hints while a test breaks things."""

    events: NetworkEvents
    heard: asyncio.Queue[Hint]

    async def wait_for(self, *hints: Hint) -> None:
        """Return when all of `hints` have come, whatever else comes."""
        missing = set(hints)
        async with asyncio.timeout(PATIENCE_S):
            while missing:
                missing.discard(await self.heard.get())

    async def hear_until(self, hint: Hint) -> list[Hint]:
        """Return what comes before `hint`."""
        heard: list[Hint] = []
        async with asyncio.timeout(PATIENCE_S):
            while (next_hint := await self.heard.get()) != hint:
                heard.append(next_hint)
        return heard

    def drain(self) -> list[Hint]:
        """Return what has come and was not waited for; hints of changes at one time come at one time."""
        return [self.heard.get_nowait() for _ in range(self.heard.qsize())]


@asynccontextmanager
async def listening(network: NetworkHost | DualHost, *containers: Uid) -> AsyncIterator[Ear]:
    """Watch containers of a host, until the end of the block."""
    ports = network.ports
    events = NetworkEvents(
        layout=ports.layout,
        insides=ports.insides,
        names=ports.name_server,
        generations=ports.generations,
    )
    ear = Ear(events=events, heard=asyncio.Queue())

    async def hear() -> None:
        async for hint in events.watch():
            ear.heard.put_nowait(hint)

    for uid in containers:
        events.expect(uid)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(hear())
        await asyncio.sleep(0)
        run("ip", "link", "set", BACK.name, "alias", f"hold:{network.layout.instance}:{BACK.network}")
        await ear.wait_for(Hint(type=HintType.BRIDGE, subject=BACK.network))
        yield ear
        task.cancel()


def on_host(*command: str) -> Callable[[NetworkHost], None]:
    return lambda _network: run(*command)


def inside(script: str) -> Callable[[NetworkHost], None]:
    return lambda network: network.enter(WEB, script)


@pytest.mark.parametrize(
    ("damage", "hint"),
    [
        pytest.param(on_host("ip", "link", "del", LINK), ATTACHMENT, id="veth deleted"),
        pytest.param(on_host("ip", "link", "set", LINK, "down"), ATTACHMENT, id="veth down"),
        pytest.param(on_host("ip", "link", "set", LINK, "nomaster"), ATTACHMENT, id="veth unplugged"),
        pytest.param(on_host("ip", "link", "del", SHOP.name), BRIDGE, id="bridge deleted"),
        pytest.param(on_host("ip", "link", "set", SHOP.name, "down"), BRIDGE, id="bridge down"),
        pytest.param(on_host("ip", "address", "flush", "dev", SHOP.name), BRIDGE, id="address of the bridge"),
        pytest.param(on_host("ip", "route", "del", "10.77.0.0/24"), BRIDGE, id="route of the bridge"),
        pytest.param(on_host("ip", "route", "del", "local", "10.77.0.1", "table", "local"), BRIDGE, id="own route of the bridge"),
        pytest.param(on_host("sysctl", "-qw", f"net.ipv4.conf.{SHOP.name}.forwarding=0"), BRIDGE, id="forwarding of the bridge"),
        pytest.param(on_host("sysctl", "-qw", f"net.ipv4.conf.{SHOP.name}.route_localnet=0"), BRIDGE, id="setting that nobody tells of"),
        pytest.param(inside("ip link del eth0"), ATTACHMENT, id="veth deleted from inside"),
        pytest.param(inside("ip link set eth0 down"), ATTACHMENT, id="veth down inside"),
        pytest.param(inside("ip address flush dev eth0"), ATTACHMENT, id="address"),
        pytest.param(inside("ip route del default"), ATTACHMENT, id="default route"),
        pytest.param(inside("ip route del 10.77.0.0/24"), ATTACHMENT, id="route to neighbours"),
        pytest.param(inside("ip route del local 10.77.0.2 table local"), ATTACHMENT, id="own route"),
        pytest.param(inside("ip link set eth0 down; ip link set eth0 name moved"), ATTACHMENT, id="name"),
        pytest.param(inside("ip link set lo down"), ATTACHMENT, id="loopback down"),
    ],
)  # fmt: skip
async def test_a_change_is_heard_and_mended(
    network: NetworkHost, damage: Callable[[NetworkHost], None], hint: Hint
) -> None:
    before = await read_facts(network)
    async with listening(network, WEB) as ear:
        await asyncio.to_thread(damage, network)
        await ear.wait_for(hint)
        assert await read_facts(network) != before
        await network.restore()
        assert await read_facts(network) == before


async def read_facts(network: NetworkHost) -> tuple[object, ...]:
    """Return all that the planners see."""
    ports = network.ports
    return (
        sorted(await ports.bridges.list(), key=str),
        sorted(await ports.attachments.list(), key=str),
        sorted(await ports.namespaces.list(), key=str),
    )


@pytest.fixture
def foreign_rule_removed() -> Iterator[None]:
    """Leave no rule of the test's own to the tests that come after it."""
    yield
    run("sh", "-c", "while iptables -D FORWARD -j DROP; do :; done 2>/dev/null")


@pytest.mark.usefixtures("foreign_rule_removed")
@pytest.mark.parametrize(
    "flush",
    [
        "iptables -F; iptables -t nat -F; iptables -X",
        "nft flush ruleset",
        "iptables -t nat -F CHAIN",
        "iptables -D FORWARD 1",
        "iptables -I FORWARD 1 -j DROP",
    ],
)
async def test_a_flushed_firewall_is_heard_and_mended(network: NetworkHost, flush: str) -> None:
    await network.publish()
    digest = (await network.ports.firewall.read()).digest
    assert digest != ""
    async with listening(network) as ear:
        await asyncio.to_thread(run, "sh", "-c", flush.replace("CHAIN", derive_chain(INSTANCE, "DNAT")))
        await ear.wait_for(FIREWALL)
        assert (await network.ports.firewall.read()).digest == ""
        await network.publish()
        assert (await network.ports.firewall.read()).digest == digest


async def test_own_rules_are_not_heard(network: NetworkHost) -> None:
    async with listening(network, WEB) as ear:
        for port in (8080, 8081, 8082):
            await network.publish(publish(port))
        await asyncio.to_thread(network.enter, WEB, "ip route del default")
        assert FIREWALL not in await ear.hear_until(ATTACHMENT)


@pytest.mark.usefixtures("foreign_rule_removed")
async def test_a_rule_of_others_made_meanwhile_is_heard(network: NetworkHost) -> None:
    async with listening(network) as ear:
        with network.ports.generations.installing(tables=1) as installation:
            await asyncio.to_thread(run, "iptables", "-I", "FORWARD", "-j", "DROP")
            await asyncio.to_thread(run, "iptables", "-D", "FORWARD", "1")
        assert not installation.alone
        await ear.wait_for(FIREWALL)


class CountingRunner(Runner):
    """Keeps which programs were run."""

    def __init__(self) -> None:
        self.programs: list[str] = []

    async def run(self, *arguments: str, stdin: str = "", timeout_s: float = 60.0) -> str:
        self.programs.append(arguments[0])
        return await super().run(*arguments, stdin=stdin, timeout_s=timeout_s)


async def test_rules_are_read_once_for_many_installations(network: NetworkHost) -> None:
    runner = CountingRunner()
    firewall = KernelFirewall(layout=network.layout, runner=runner, generations=network.ports.generations)
    await firewall.replace(render_rules())
    assert (await firewall.read()).digest == render_rules().digest
    runner.programs.clear()
    for port in (8080, 8081, 8082):
        await firewall.replace(render_rules(publish(port)))
    assert set(runner.programs) == {"iptables-restore"}
    assert (await firewall.read()).digest == render_rules(publish(8082)).digest


async def test_the_death_of_the_name_server_is_heard(network: NetworkHost) -> None:
    zone = Zone(network=SHOP.network, network_name="shop", gateways=("10.77.0.1",))
    want = NamesWant(digest="one", zones=(zone,))
    await network.ports.names.publish(want)
    async with listening(network) as ear:
        for _ in range(2):
            pid = int(await asyncio.to_thread((Path(network.layout.dns_path) / "server.pid").read_text))
            os.kill(pid, signal.SIGKILL)
            await ear.wait_for(Hint(type=HintType.NAMES))
            assert not (await network.ports.names.read()).serving
            await network.ports.names.publish(want)


async def test_settings_are_heard_and_links_go_quietly(
    network: NetworkHost, caplog: pytest.LogCaptureFixture
) -> None:
    async with listening(network) as ear:
        run("sysctl", "-qw", f"net.ipv4.conf.{SHOP.name}.forwarding=0")
        await ear.wait_for(BRIDGE)
        run("sysctl", "-qw", "net.ipv4.ip_forward=0")
        await ear.wait_for(Hint(type=HintType.EVERYTHING))
        await network.ports.bridges.ensure(SHOP)
        assert all(facts.sound for facts in await network.ports.bridges.list())
        ear.drain()
        run("ip", "link", "del", SHOP.name)
        await ear.wait_for(BRIDGE)
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_a_container_that_is_disregarded_is_not_heard(network: NetworkHost) -> None:
    caller = Hint(type=HintType.ATTACHMENT, subject=CALLER)
    async with listening(network, WEB, CALLER) as ear:
        ear.events.disregard(WEB)
        network.enter(CALLER, "ip route del default")
        await ear.wait_for(caller)
        ear.drain()
        network.enter(WEB, "ip route del default")
        network.enter(CALLER, "ip route add default via 10.77.0.1")
        async with asyncio.timeout(PATIENCE_S):
            assert await ear.heard.get() == caller
        assert set(ear.drain()) <= {caller}


async def test_a_namespace_that_is_heard_can_go(network: NetworkHost) -> None:
    async with listening(network, WEB) as ear:
        await network.ports.namespaces.delete(WEB)
        ear.events.disregard(WEB)
        async with asyncio.timeout(PATIENCE_S):
            while any(facts.container == WEB for facts in await network.ports.attachments.list()):
                await ear.heard.get()
