"""What every adapter of KernelEvents promises about processes; any hint may come twice, none says what happened."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from controller.kernel import syscalls
from controller.model.facts import ProcessState
from controller.model.ids import Uid
from controller.model.limits import LimitsWant
from controller.ports import Hint, HintType
from tests.contract.containers import DB, DEADLINE_S, NOBODY, WEB, Behaviour, ContainerPorts

OF_WEB = Hint(type=HintType.PROCESS, subject=WEB)


class Listener:
    """Collects hints."""

    def __init__(self) -> None:
        self.heard: list[Hint] = []
        self._more = asyncio.Event()

    async def collect(self, ports: ContainerPorts) -> None:
        """Listen until cancelled."""
        async for hint in ports.events.watch():
            self.heard.append(hint)
            self._more.set()

    async def wait_for(self, hint: Hint) -> None:
        """Return once this was heard; forget all that was heard before."""
        async with asyncio.timeout(DEADLINE_S):
            while hint not in self.heard:
                self._more.clear()
                await self._more.wait()
        self.heard.clear()


@contextlib.asynccontextmanager
async def listening(ports: ContainerPorts) -> AsyncIterator[Listener]:
    """Listen for the length of the block."""
    listener = Listener()
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(listener.collect(ports))
        async with asyncio.timeout(DEADLINE_S):
            while not listener.heard:
                await asyncio.sleep(0.005)
                with contextlib.suppress(FileNotFoundError):  # as long as nobody has listened
                    ports.stir()
        listener.heard.clear()
        yield listener
        task.cancel()


async def _run(ports: ContainerPorts, uid: Uid, behaviour: Behaviour = Behaviour.SLEEPS) -> None:
    await ports.run(uid, behaviour)
    ports.events.expect(uid)


async def test_the_end_of_a_process_is_heard(containers: ContainerPorts) -> None:
    await _run(containers, WEB)
    async with listening(containers) as listener:
        await containers.processes.signal(WEB, 9)
        await listener.wait_for(OF_WEB)
        await containers.wait_for(WEB, ProcessState.STOPPED)


async def test_each_new_process_is_expected_anew(containers: ContainerPorts) -> None:
    async with listening(containers) as listener:
        for _ in range(2):
            await _run(containers, WEB)
            await containers.processes.signal(WEB, 9)
            await listener.wait_for(OF_WEB)
            await containers.wait_for(WEB, ProcessState.STOPPED)
            await containers.processes.delete(WEB)


async def test_the_loss_of_a_monitor_is_heard(containers: ContainerPorts) -> None:
    await _run(containers, WEB)
    async with listening(containers) as listener:
        containers.lose_monitor(WEB)
        await listener.wait_for(OF_WEB)
        assert not (await containers.wait_for(WEB, ProcessState.RUNNING)).monitored


async def test_only_who_is_meant_is_named(containers: ContainerPorts) -> None:
    await _run(containers, WEB)
    await _run(containers, DB)
    async with listening(containers) as listener:
        await containers.processes.signal(WEB, 9)
        await listener.wait_for(OF_WEB)
        await containers.wait_for(WEB, ProcessState.STOPPED)
        assert {hint.subject for hint in listener.heard} <= {WEB, NOBODY}


async def test_watching_ends_and_begins_again(containers: ContainerPorts) -> None:
    await _run(containers, WEB)
    async with listening(containers):
        pass
    async with listening(containers) as listener:
        await containers.processes.signal(WEB, 9)
        await listener.wait_for(OF_WEB)
    containers.events.disregard(WEB)
    containers.events.disregard(WEB)


@pytest.mark.kernel
async def test_edited_limits_are_heard(linux: ContainerPorts) -> None:
    await _run(linux, WEB)
    async with listening(linux) as listener:
        await linux.limits.apply(WEB, LimitsWant(pids=50))
        await listener.wait_for(Hint(type=HintType.LIMITS, subject=WEB))
        linux.events.disregard(WEB)
        await linux.limits.apply(WEB, LimitsWant(pids=60))
        await linux.processes.signal(WEB, 9)
        await listener.wait_for(OF_WEB)
        assert Hint(type=HintType.LIMITS, subject=WEB) not in listener.heard


@pytest.mark.kernel
async def test_a_root_that_was_unmounted_is_heard(linux: ContainerPorts) -> None:
    await _run(linux, WEB, Behaviour.ENDS)
    await linux.wait_for(WEB, ProcessState.STOPPED)
    async with listening(linux) as listener:
        syscalls.umount2(linux.layout.merged_path(WEB), syscalls.MNT_DETACH)
        await listener.wait_for(Hint(type=HintType.ROOT, subject=WEB))
