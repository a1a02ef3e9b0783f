"""What every adapter of Limits promises."""

import pytest

from controller.errors import NotFound
from controller.model.limits import LimitFacts, LimitsWant
from tests.contract.containers import DB, WEB, ContainerPorts

MIB = 1 << 20


async def test_a_process_has_the_limits_of_its_spec(containers: ContainerPorts) -> None:
    await containers.create(WEB, resources={"memory": "64MiB", "cpus": 0.5, "pids": 20})
    assert await containers.limits.read(WEB) == LimitFacts(memory_bytes=64 * MIB, cpus=0.5, pids=20)


async def test_without_limits_there_are_none(containers: ContainerPorts) -> None:
    await containers.run(WEB)
    assert await containers.limits.read(WEB) == LimitFacts()


async def test_what_has_no_process_has_no_limits(containers: ContainerPorts) -> None:
    assert await containers.limits.read(DB) is None


@pytest.mark.parametrize(
    "want",
    [
        pytest.param(LimitsWant(memory_bytes=32 * MIB, cpus=0.25, pids=10), id="less"),
        pytest.param(LimitsWant(memory_bytes=512 * MIB, cpus=1.5, pids=200), id="more"),
        pytest.param(LimitsWant(), id="none"),
        pytest.param(LimitsWant(memory_bytes=100 * MIB), id="some"),
        pytest.param(LimitsWant(cpus=0.01), id="little"),
    ],
)
async def test_they_change_in_place(containers: ContainerPorts, want: LimitsWant) -> None:
    await containers.run(WEB, resources={"memory": "64MiB", "cpus": 0.5, "pids": 20})
    facts = LimitFacts(memory_bytes=want.memory_bytes, cpus=want.cpus, pids=want.pids)
    for _ in range(2):
        await containers.limits.apply(WEB, want)
        assert await containers.limits.read(WEB) == facts


async def test_they_can_be_set_after_there_were_none(containers: ContainerPorts) -> None:
    await containers.run(WEB)
    await containers.limits.apply(WEB, LimitsWant(memory_bytes=64 * MIB, cpus=2.0, pids=7))
    assert await containers.limits.read(WEB) == LimitFacts(memory_bytes=64 * MIB, cpus=2.0, pids=7)


@pytest.mark.kernel
async def test_they_need_a_process(linux: ContainerPorts) -> None:
    with pytest.raises(NotFound):
        await linux.limits.apply(DB, LimitsWant(pids=7))
