"""What real containers use: processor, memory, processes; bytes on real links."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from controller.errors import Invalid
from controller.kernel.cgroups.cgroups import Cgroups
from controller.kernel.cgroups.gauges import KernelGauges
from controller.kernel.network.traffic import Bytes, Traffic
from controller.kernel.processes.gates import Gates
from controller.kernel.subprocesses import Runner
from controller.model.facts import ProcessState
from controller.model.ids import Uid
from tests.contract import network as contract_network
from tests.contract.containers import DB, DEADLINE_S, WEB, ContainerPorts, linux_containers
from tests.kernel.network_host import CALLER, NetworkHost, ask
from tests.kernel.network_host import WEB as SERVER


@pytest.fixture
async def ports() -> AsyncIterator[ContainerPorts]:
    async with linux_containers("", Gates()) as ports:
        yield ports


async def test_a_busy_container_is_told_from_an_idle_one(ports: ContainerPorts) -> None:
    gauges = KernelGauges(cgroups=Cgroups.find(ports.layout.instance), runner=Runner())
    limits = {"memory": 64 << 20, "pids": 9}
    await ports.run(WEB, command=["sh", "-c", "sleep 999 & while :; do :; done"], resources=limits)
    await ports.run(DB)
    until = time.monotonic() + DEADLINE_S
    while True:
        samples = {each.uid: each for each in await gauges.sample([WEB, DB, Uid("f" * 32)])}
        if samples[WEB].cpu_s > 0.2 and samples[WEB].pids == 2:
            break
        assert time.monotonic() < until, samples
        await asyncio.sleep(0.01)
    assert samples.keys() == {WEB, DB}
    assert (samples[DB].cpu_s < 0.2, samples[DB].pids) == (True, 1)
    assert samples[WEB].memory_limit_bytes == 64 << 20 < samples[DB].memory_limit_bytes
    assert 0 < samples[WEB].memory_bytes < 64 << 20

    table = await gauges.list_processes(WEB, ["-o", "comm,pid"])
    assert table.titles == ("COMMAND", "PID")
    assert sorted(name for name, _ in table.rows) == ["sh", "sleep"]
    for arguments, told in ((["-o", "comm"], "no PID"), (["--bogus"], "ps --bogus")):
        with pytest.raises(Invalid, match=told):
            await gauges.list_processes(WEB, arguments)


@pytest.mark.parametrize("arguments", [[], ["-o", "pid,comm"], ["aux"], ["-ef", "--forest"]])
async def test_processes_at_terminals_are_listed(ports: ContainerPorts, arguments: list[str]) -> None:
    gauges = KernelGauges(cgroups=Cgroups.find(ports.layout.instance), runner=Runner())
    await ports.run(WEB, tty=True)
    running = await ports.wait_for(WEB, ProcessState.RUNNING)
    table = await gauges.list_processes(WEB, arguments)
    assert [row[table.titles.index("PID")] for row in table.rows] == [str(running.pid)]


async def test_links_tell_what_containers_sent_and_received(network: NetworkHost) -> None:
    await network.restore()
    traffic = Traffic(contract_network.INSTANCE)
    before = traffic.read()
    with network.serving(SERVER):
        assert ask(network.open_socket(CALLER), "10.77.0.2", 80) == "10.77.0.3"
    after = traffic.read()
    gained = {
        uid: Bytes(after[uid].received - before[uid].received, after[uid].sent - before[uid].sent)
        for uid in (SERVER, CALLER)
    }
    assert all(min(each) > 200 for each in gained.values()), gained  # a connection, both ways
