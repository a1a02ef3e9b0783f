"""What every adapter of Limits promises."""

from dataclasses import asdict, replace

import pytest

from controller.errors import NotFound, Refused
from controller.model.limits import DeviceLimits, HostLimits, LimitsWant
from controller.plan.limits import find_differences
from tests.contract.containers import DB, WEB, ContainerPorts

MIB = 1 << 20
SOME = {"memory": "64MiB", "cpus": 0.5, "pids": 20}
EVERYTHING = {
    "memory": "64MiB", "memorySwap": "80MiB", "memoryReservation": "32MiB", "memorySwappiness": 10, "oomKillDisable": True,
    "cpuPeriod": 50000, "cpuQuota": 25000, "cpuShares": 512, "cpusetCpus": "0", "cpusetMems": "0", "pids": 20,
}  # fmt: skip
EVERYTHING_WANTED = LimitsWant(
    memory_bytes=64 * MIB,
    memory_swap_bytes=80 * MIB,
    memory_reservation_bytes=32 * MIB,
    memory_swappiness=10,
    oom_kill_disable=True,
    cpus=0.5,
    cpu_period_us=50000,
    cpu_shares=512,
    cpuset_cpus="0",
    cpuset_mems="0",
    pids=20,
)


async def read_values(containers: ContainerPorts) -> LimitsWant:
    """Return the limits in force of WEB."""
    facts = await containers.limits.read(WEB)
    assert facts is not None
    values = asdict(facts)
    for name in ("host", "cpu_weight"):
        del values[name]
    return LimitsWant(**values | {"devices": facts.devices})


async def test_a_process_has_the_limits_of_its_spec(containers: ContainerPorts) -> None:
    await containers.create(WEB, resources=SOME)
    expected = LimitsWant(memory_bytes=64 * MIB, memory_swap_bytes=128 * MIB, cpus=0.5, pids=20)
    assert await read_values(containers) == expected


async def test_a_process_has_every_limit_of_its_spec(containers: ContainerPorts) -> None:
    await containers.create(WEB, resources=EVERYTHING)
    facts = await containers.limits.read(WEB)
    assert facts is not None
    assert find_differences(EVERYTHING_WANTED, facts) == frozenset()
    assert facts.cpus == 0.5
    assert facts.cpuset_cpus == "0"


async def test_without_limits_there_are_none(containers: ContainerPorts) -> None:
    await containers.run(WEB)
    assert await read_values(containers) == LimitsWant()


async def test_what_has_no_process_has_no_limits(containers: ContainerPorts) -> None:
    assert await containers.limits.read(DB) is None


@pytest.mark.parametrize(
    "want",
    [
        pytest.param(
            LimitsWant(memory_bytes=32 * MIB, memory_swap_bytes=64 * MIB, cpus=0.25, pids=10), id="less"
        ),
        pytest.param(
            LimitsWant(memory_bytes=512 * MIB, memory_swap_bytes=512 * MIB, cpus=1.5, pids=200), id="more"
        ),
        pytest.param(LimitsWant(), id="none"),
        pytest.param(LimitsWant(memory_bytes=100 * MIB), id="any-swap"),
        pytest.param(LimitsWant(cpus=0.01), id="little"),
        pytest.param(EVERYTHING_WANTED, id="everything"),
    ],
)
async def test_they_change_in_place(containers: ContainerPorts, want: LimitsWant) -> None:
    await containers.run(WEB, resources=SOME)
    for _ in range(2):
        await containers.limits.apply(WEB, want)
        facts = await containers.limits.read(WEB)
        assert facts is not None
        assert find_differences(want, facts) == frozenset()


async def test_all_of_them_are_taken_away(containers: ContainerPorts) -> None:
    await containers.run(WEB, resources=EVERYTHING)
    await containers.limits.apply(WEB, LimitsWant())
    assert await read_values(containers) == LimitsWant()


async def test_they_can_be_set_after_there_were_none(containers: ContainerPorts) -> None:
    await containers.run(WEB)
    want = LimitsWant(memory_bytes=64 * MIB, cpus=2.0, pids=7)
    await containers.limits.apply(WEB, want)
    assert await read_values(containers) == want


@pytest.mark.kernel
async def test_they_need_a_process(linux: ContainerPorts) -> None:
    with pytest.raises(NotFound):
        await linux.limits.apply(DB, LimitsWant(pids=7))


@pytest.mark.kernel
async def test_block_devices_are_limited_by_path(linux: ContainerPorts, block_device: str) -> None:
    await linux.run(WEB)
    device = DeviceLimits(device=block_device, read_bps=MIB, write_iops=100)
    await linux.limits.apply(WEB, LimitsWant(block_io_weight=300, devices=(device,)))
    facts = await linux.limits.read(WEB, devices=(block_device,))
    assert facts is not None
    assert facts.devices == (device,)
    assert facts.block_io_weight == 300
    bare = await linux.limits.read(WEB)
    assert bare is not None
    assert [each.device.replace(":", "").isdigit() for each in bare.devices] == [True]
    await linux.limits.apply(WEB, LimitsWant())
    assert await read_values(linux) == LimitsWant()


@pytest.mark.kernel
async def test_what_is_no_block_device_is_refused(linux: ContainerPorts) -> None:
    await linux.run(WEB)
    for path, error in (("/dev/nothing", NotFound), ("/dev/null", Refused)):
        with pytest.raises(error, match=path):
            await linux.limits.apply(WEB, LimitsWant(devices=(DeviceLimits(device=path, read_bps=1),)))


@pytest.mark.kernel
async def test_what_the_kernel_refuses_is_told(linux: ContainerPorts) -> None:
    await linux.run(WEB)
    with pytest.raises(Refused, match=r"processors 4000 are not there: the host has 0"):
        await linux.limits.apply(WEB, LimitsWant(cpuset_cpus="4000"))


@pytest.mark.kernel
async def test_the_host_tells_what_it_can(linux: ContainerPorts) -> None:
    await linux.run(WEB)
    facts = await linux.limits.read(WEB)
    assert facts is not None
    assert {"memory_bytes", "cpus", "pids"}.isdisjoint(facts.host.absent)
    assert replace(facts, host=HostLimits()) == facts
