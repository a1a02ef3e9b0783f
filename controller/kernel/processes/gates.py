"""Lets clients be attached to a process before it starts: `Gates()`, shared by OciProcesses and ContainerSessions."""

import asyncio

from controller.errors import Unavailable
from controller.model.ids import Uid

HOLD_BACK_S = 10.0


class AttachGate:
    """One client's gate; implements `controller.ports.Gate`."""

    def __init__(self) -> None:
        self.uid: asyncio.Future[Uid] = asyncio.get_running_loop().create_future()
        self.opened = asyncio.Event()

    async def created(self) -> Uid:
        """Wait until the process is created and return its container."""
        return await asyncio.shield(self.uid)

    def open(self) -> None:
        """Let the process start; also what a client does that gives up."""
        self.opened.set()


class Gates:
    """All gates of one daemon."""

    def __init__(self) -> None:
        self._expected: dict[str, list[AttachGate]] = {}
        self._waiting: dict[Uid, list[AttachGate]] = {}

    def expect(self, name: str) -> AttachGate:
        """Return a gate for the next process of the container of this name."""
        gate = AttachGate()
        self._expected.setdefault(name, []).append(gate)
        return gate

    def announce(self, name: str, uid: Uid) -> None:
        """Tell the waiting clients that the process is created."""
        gates = [gate for gate in self._expected.pop(name, []) if not gate.opened.is_set()]
        for gate in gates:
            if not gate.uid.done():
                gate.uid.set_result(uid)
        if gates:
            self._waiting[uid] = gates

    def fail(self, name: str, message: str) -> None:
        """Tell the waiting clients that there will be no process."""
        for gate in self._expected.pop(name, []):
            if not gate.uid.done():
                gate.uid.set_exception(Unavailable(message))
                gate.uid.exception()

    async def pass_through(self, uid: Uid) -> None:
        """Wait until every gate of the container is open, at most HOLD_BACK_S."""
        gates = self._waiting.pop(uid, [])
        if not gates:
            return
        try:
            async with asyncio.timeout(HOLD_BACK_S):
                for gate in gates:
                    await gate.opened.wait()
        except TimeoutError:
            return
