"""What every adapter of Freezer promises about containers that are held for a moment."""

import asyncio
import itertools
from pathlib import Path

import pytest

from controller.model.facts import ProcessState
from tests.contract.containers import DEADLINE_S, NOBODY, WEB, Behaviour, ContainerPorts


async def _find_state(containers: ContainerPorts) -> ProcessState:
    facts = await containers.processes.read(WEB)
    assert facts is not None
    return facts.state


async def test_a_held_one_does_not_count_as_paused(containers: ContainerPorts) -> None:
    await containers.run(WEB)
    async with containers.freezer.holding(WEB), containers.freezer.holding(WEB):
        assert await _find_state(containers) is ProcessState.RUNNING
    assert await _find_state(containers) is ProcessState.RUNNING


@pytest.mark.parametrize("paused_before", [True, False])
async def test_what_is_asked_meanwhile_comes_after_it(
    containers: ContainerPorts, *, paused_before: bool
) -> None:
    await containers.run(WEB)
    if paused_before:
        await containers.freezer.pause(WEB)
    async with containers.freezer.holding(WEB):
        if paused_before:
            await containers.freezer.resume(WEB)
        else:
            await containers.freezer.pause(WEB)
    wanted = ProcessState.RUNNING if paused_before else ProcessState.PAUSED
    assert await _find_state(containers) is wanted


async def test_a_paused_one_stays_so(containers: ContainerPorts) -> None:
    await containers.run(WEB)
    await containers.freezer.pause(WEB)
    async with containers.freezer.holding(WEB):
        pass
    assert await _find_state(containers) is ProcessState.PAUSED


async def test_nothing_is_held_of_what_does_not_run(containers: ContainerPorts) -> None:
    async with containers.freezer.holding(NOBODY):
        assert await containers.processes.read(NOBODY) is None
    assert await containers.processes.read(NOBODY) is None


async def test_one_can_be_deleted_meanwhile(containers: ContainerPorts) -> None:
    await containers.run(WEB)
    async with containers.freezer.holding(WEB):
        await containers.processes.delete(WEB)
    assert await containers.processes.read(WEB) is None


@pytest.mark.kernel
async def test_a_held_one_does_nothing(linux: ContainerPorts) -> None:
    """Its program counts in a file, as fast as it can."""
    path = Path(linux.image_path, "count")
    counting = ("sh", "-c", "while :; do echo >>/out/count; done")
    mounts = [{"type": "bind", "source": linux.image_path, "target": "/out"}]
    await linux.run(WEB, Behaviour.SLEEPS, command=counting, mounts=mounts)
    async with asyncio.timeout(DEADLINE_S):
        for _ in range(3):
            await _wait_for_growth(path, path.stat().st_size if path.exists() else 0)
            async with linux.freezer.holding(WEB):
                await linux.freezer.resume(WEB)
                sizes = {path.stat().st_size for _ in itertools.repeat(None, 1000)}
                assert len(sizes) == 1


async def _wait_for_growth(path: Path, size: int) -> None:
    while True:
        if path.exists() and path.stat().st_size > size:
            return
        await asyncio.sleep(0.001)
